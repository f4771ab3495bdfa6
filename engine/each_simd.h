// Compiles a file of loops over lanes once for each instruction set, in a namespace of its own, behind the operations
// on lanes of that set; to be included inside the namespace that needs them:
//
//   namespace {
//   #define FEATDSL_LOOPS "engine/hash_lanes.h"
//   #include "engine/each_simd.h"
//   }
//   int64_t done = FEATDSL_LANES(hash_words(…));
//
// Its file includes <immintrin.h> on x86-64 before. A loop says how many of the rows it has done, from the first; the
// caller does the rest, which without a set is all. Where two lanes of what every processor has are quicker than one
// value after the other, the file includes its loops behind engine/lanes_base.h, too, in a namespace `base`, and says
// FEATDSL_ANY_LANES.
#if defined(__x86_64__)

// What stands between the two is compiled for processors with the named instructions.
#ifndef FEATDSL_PRAGMA
#define FEATDSL_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define FEATDSL_BEGIN_TARGET(names) \
  FEATDSL_PRAGMA(clang attribute push(__attribute__((target(names))), apply_to = function))
#define FEATDSL_END_TARGET FEATDSL_PRAGMA(clang attribute pop)
#else
#define FEATDSL_BEGIN_TARGET(names) FEATDSL_PRAGMA(GCC push_options) FEATDSL_PRAGMA(GCC target(names))
#define FEATDSL_END_TARGET FEATDSL_PRAGMA(GCC pop_options)
#endif
#endif

FEATDSL_BEGIN_TARGET("avx512f,avx512dq,avx512bw,avx512vl,bmi,bmi2")
namespace avx512 {
#include "engine/lanes_avx512.h"
//
#include FEATDSL_LOOPS
}  // namespace avx512
FEATDSL_END_TARGET

FEATDSL_BEGIN_TARGET("avx2,bmi,bmi2")
namespace avx2 {
#include "engine/lanes_avx2.h"
//
#include FEATDSL_LOOPS
}  // namespace avx2
FEATDSL_END_TARGET

#define FEATDSL_LANES_OR(other, call) \
  (simd() == Simd::Avx512 ? avx512::call : simd() == Simd::Avx2 ? avx2::call : other)
#else
#define FEATDSL_LANES_OR(other, call) other
#endif
#define FEATDSL_LANES(call) FEATDSL_LANES_OR(int64_t{0}, call)
#define FEATDSL_ANY_LANES(call) FEATDSL_LANES_OR(base::call, call)
#undef FEATDSL_LOOPS
