// Functions of engine/strictmath.h over many values, with the lanes that `simd()` says, to the same bits.
#pragma once

#include <cstdint>

namespace feat::strictmath {

// `out` must not be `values`.
void log1p(const double* values, int64_t count, double* out);

}  // namespace feat::strictmath
