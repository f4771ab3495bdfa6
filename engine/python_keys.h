// Keys from Python.
#pragma once

#include <nanobind/nanobind.h>

#include "engine/keys.h"

namespace feat {

// A `Keys`, or any sequence of str, int, bytes (which are texts) and None. Errors: EngineError for anything else.
Keys to_keys(const nanobind::sequence& given);

}  // namespace feat
