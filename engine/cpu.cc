#include "engine/cpu.h"

#include <cstdlib>
#include <string>
#include <string_view>

#include "engine/error.h"

namespace feat {
namespace {

constexpr Simd kWidestFirst[] = {Simd::Avx512, Simd::Avx2, Simd::Scalar};

const char* name_of(Simd set) {
  switch (set) {
    case Simd::Avx512:
      return "avx512";
    case Simd::Avx2:
      return "avx2";
    case Simd::Scalar:
      return "scalar";
  }
  return "scalar";
}

Simd widest() {
#if defined(__x86_64__)
  // All that kernels are compiled for.
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi") || !__builtin_cpu_supports("bmi2") ||
      !__builtin_cpu_supports("popcnt")) {
    return Simd::Scalar;
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    return Simd::Avx512;
  }
  return Simd::Avx2;
#else
  return Simd::Scalar;
#endif
}

Simd chosen() {
  const char* wanted = std::getenv("FEATDSL_SIMD");
  if (wanted == nullptr || *wanted == '\0') return widest();
  for (const Simd set : kWidestFirst) {
    if (std::string_view(wanted) != name_of(set)) continue;
    if (set > widest())
      throw EngineError("FEATDSL_SIMD is `" + std::string(wanted) + "`, which this processor has not");
    return set;
  }
  throw EngineError("FEATDSL_SIMD is not `scalar`, `avx2` or `avx512` but `" + std::string(wanted) + "`");
}

}  // namespace

Simd simd() {
  static const Simd set = chosen();
  return set;
}

const char* simd_name() { return name_of(simd()); }

}  // namespace feat
