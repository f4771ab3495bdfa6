// What the processor can do, asked at run time.
#pragma once

namespace feat {

enum class Simd { Scalar, Avx2, Avx512 };

// The widest set that kernels may dispatch to.
Simd simd();
const char* simd_name();  // `avx512`, `avx2` or `scalar`

}  // namespace feat
