#include "engine/cpu.h"

namespace feat {

Simd simd() {
#if defined(__x86_64__)
  static const Simd found = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") ? Simd::Avx512
                            : __builtin_cpu_supports("avx2")                                        ? Simd::Avx2
                                                                                                    : Simd::Scalar;
  return found;
#else
  return Simd::Scalar;
#endif
}

const char* simd_name() {
  switch (simd()) {
    case Simd::Avx512:
      return "avx512";
    case Simd::Avx2:
      return "avx2";
    case Simd::Scalar:
      return "scalar";
  }
  return "scalar";
}

}  // namespace feat
