// Bodies of featdsl/operators/parse.py: from text to numbers.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/kernel.h"

namespace feat::parse {

// Digits, perhaps with a sign.
Maybe<int64_t> integer(std::string_view s);

// Digits with a point among, before or behind them, perhaps a sign and an exponent; null for what rounds to infinity.
Maybe<double> number(std::string_view s);

// true, false, 1, 0; letters of any case.
Maybe<bool> boolean(std::string_view s);

}  // namespace feat::parse
