// What the processor can do, asked at run time.
#pragma once

namespace feat {

enum class Simd { Scalar, Avx2, Avx512 };

// The set that kernels dispatch to: the widest one of the processor, or what the environment's FEATDSL_SIMD names
// (`scalar`: what every x86-64 has; `avx2`, `avx512`; read once). All give the same bits. Errors: EngineError on a name
// that is none, or a set that the processor has not.
Simd simd();
const char* simd_name();  // as in FEATDSL_SIMD

}  // namespace feat
