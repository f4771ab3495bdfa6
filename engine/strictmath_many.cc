#include "engine/strictmath_many.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/cpu.h"
#include "engine/divisor.h"
#include "engine/strictmath.h"

namespace feat {

namespace {

#define FEATDSL_LOOPS "engine/strictmath_lanes.h"
#include "engine/each_simd.h"
namespace base {
#include "engine/lanes_base.h"
//
#include "engine/strictmath_lanes.h"
}  // namespace base

}  // namespace

void strictmath::log1p(const double* values, int64_t count, double* out) {
  for (int64_t i = FEATDSL_ANY_LANES(log1p(values, count, out)); i < count; ++i) out[i] = log1p(values[i]);
}

}  // namespace feat
