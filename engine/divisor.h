// Division by a number that is known before, without a division.
#pragma once

#include <cstdint>

namespace feat {

// Of the magnitude of an int64 by multiplication: m = ceil(2^(63 + l) / d) for 2^(l - 1) < d <= 2^l makes
// floor(x / d) = floor(x * m / 2^(63 + l)) exact for 0 <= x < 2^63, as m * d - 2^(63 + l) < d <= 2^l.
struct Divisor {
  uint64_t value;
  uint64_t multiplier;
  int shift;       // l - 1
  double inverse;  // 1 / d, rounded
};

}  // namespace feat
