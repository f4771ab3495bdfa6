// Bodies of featdsl/operators/cast.py.
#pragma once

#include <cstdint>

#include "engine/kernel.h"

namespace feat::cast {

// Toward zero; null when the whole part is outside the range, and for NaN.
inline Maybe<int64_t> to_int64(double x) {
  if (!(x >= -0x1p63 && x < 0x1p63)) return {};
  return static_cast<int64_t>(x);
}

inline Maybe<int64_t> to_int32(double x) {
  if (!(x > -2147483649.0 && x < 2147483648.0)) return {};
  return static_cast<int64_t>(x);
}

inline Maybe<int64_t> to_int32(int64_t x) {
  if (x < INT32_MIN || x > INT32_MAX) return {};
  return x;
}

// To nearest even; null when that is not finite.
inline Maybe<double> to_float32(double x) {
  const double rounded = static_cast<float>(x);
  if (!(rounded - rounded == 0.0)) return {};
  return rounded;
}

// One rounding, not one to float64 and one to float32.
inline double to_float32(int64_t x) { return static_cast<double>(static_cast<float>(x)); }

void append_integer(int64_t x, TextOut& out);
// The shortest decimal that reads back, laid out as Python's repr.
void append_float(double x, TextOut& out);

}  // namespace feat::cast
