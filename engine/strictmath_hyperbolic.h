// expm1, sinh, cosh, tanh, log10, cbrt and hypot, equal to the bit to Java's StrictMath on every machine; see
// strictmath.h.
//
//   Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved.
//
//   Developed at SunPro and SunSoft, Sun Microsystems, Inc. businesses.
//   Permission to use, copy, modify, and distribute this software is freely granted,
//   provided that this notice is preserved.
#pragma once

#include <utility>

#include "engine/strictmath.h"

namespace feat::strictmath {

namespace detail {

inline constexpr double kOverflowOfExp = 0x1.62e42fefa39efp+9;
inline constexpr double kOverflowOfCosh = 0x1.633ce8fb9f87dp+9;

}  // namespace detail

// exp(x) - 1, without loss next to 0; infinity from 709.79 on.
inline double expm1(double x) {
  using namespace detail;
  const bool negative = high(x) < 0;
  const int32_t hx = high(x) & 0x7fffffff;
  if (hx >= 0x4043687a) {  // 56 ln 2
    if (x != x) return x;
    if (x > kOverflowOfExp) return kInfinity;
    if (negative) return -1.0;
  }
  int32_t k = 0;
  double c = 0.0;
  if (hx > 0x3fd62e42) {
    double upper;
    double lower;
    if (hx < 0x3ff0a2b2) {
      k = negative ? -1 : 1;
      upper = negative ? x + kLn2High : x - kLn2High;
      lower = negative ? -kLn2Low : kLn2Low;
    } else {
      k = static_cast<int32_t>(0x1.71547652b82fep+0 * x + (negative ? -0.5 : 0.5));
      upper = x - k * kLn2High;
      lower = k * kLn2Low;
    }
    x = upper - lower;
    c = (upper - x) - lower;
  } else if (hx < 0x3c900000) {
    return x;
  }
  const double half = 0.5 * x;
  const double z = x * half;
  const double r1 =
      1.0 + z * (-0x1.11111111110f4p-5 +
                 z * (0x1.a01a019fe5585p-10 +
                      z * (-0x1.4ce199eaadbb7p-14 + z * (0x1.0cfca86e65239p-18 + z * -0x1.afdb76e09c32dp-23))));
  const double t = 3.0 - r1 * half;
  double e = z * ((r1 - t) / (6.0 - x * t));
  if (k == 0) return x - (x * e - z);
  e = x * (e - c) - c;
  e -= z;
  if (k == -1) return 0.5 * (x - e) - 0.5;
  if (k == 1) return x < -0.25 ? -2.0 * (e - (x + 0.5)) : 1.0 + 2.0 * (x - e);
  if (k <= -2 || k > 56) return add_to_exponent(1.0 - (e - x), k) - 1.0;
  if (k < 20) {
    const double one_less = from_high(0x3ff00000u - (0x200000u >> k));  // 1 - 2^-k
    return add_to_exponent(one_less - (e - x), k);
  }
  const double last = from_high(static_cast<uint32_t>(0x3ff - k) << 20);  // 2^-k
  return add_to_exponent((x - (e + last)) + 1.0, k);
}

inline double sinh(double x) {
  using namespace detail;
  const int32_t hx = high(x) & 0x7fffffff;
  if (hx >= 0x7ff00000) return x;
  const double size = std::fabs(x);
  const double half = high(x) < 0 ? -0.5 : 0.5;
  if (hx < 0x40360000) {  // 22
    if (hx < 0x3e300000) return x;
    const double t = expm1(size);
    if (hx < 0x3ff00000) return half * (2.0 * t - t * t / (t + 1.0));
    return half * (t + t / (t + 1.0));
  }
  if (hx < 0x40862e42) return half * exp(size);
  if (size > kOverflowOfCosh) return half * kInfinity;
  const double root = exp(0.5 * size);
  return (half * root) * root;
}

inline double cosh(double x) {
  using namespace detail;
  const int32_t hx = high(x) & 0x7fffffff;
  const double size = std::fabs(x);
  if (hx >= 0x7ff00000) return size;
  if (hx < 0x3fd62e43) {  // half of ln 2
    const double t = expm1(size);
    const double w = 1.0 + t;
    return hx < 0x3c800000 ? w : 1.0 + (t * t) / (w + w);
  }
  if (hx < 0x40360000) {
    const double t = exp(size);
    return 0.5 * t + 0.5 / t;
  }
  if (hx < 0x40862e42) return 0.5 * exp(size);
  if (size > kOverflowOfCosh) return kInfinity;
  const double root = exp(0.5 * size);
  return (0.5 * root) * root;
}

inline double tanh(double x) {
  using namespace detail;
  const int32_t hx = high(x) & 0x7fffffff;
  if (x != x || x == 0.0) return x;
  const double size = std::fabs(x);
  double z = 1.0;
  if (hx < 0x40360000) {
    if (hx < 0x3c800000) return x * (1.0 + x);
    if (hx >= 0x3ff00000) {
      z = 1.0 - 2.0 / (expm1(2.0 * size) + 2.0);
    } else {
      const double t = expm1(-2.0 * size);
      z = -t / (t + 2.0);
    }
  }
  return high(x) < 0 ? -z : z;
}

// -infinity at 0, NaN below.
inline double log10(double x) {
  using namespace detail;
  int32_t hx = high(x);
  int32_t k = 0;
  if (hx < 0x00100000) {
    if (x == 0.0) return -kInfinity;
    if (hx < 0) return kNan;
    k = -54;
    x *= 0x1p54;
    hx = high(x);
  }
  if (hx >= 0x7ff00000) return x;
  k += (hx >> 20) - 1023;
  const int32_t below = k < 0 ? 1 : 0;
  const double y = k + below;
  x = with_high(x, static_cast<uint32_t>((hx & 0x000fffff) | (0x3ff - below) << 20));
  const double z = y * 0x1.9fef311f12b36p-42 + 0x1.bcb7b1526e50ep-2 * log(x);
  return z + y * 0x1.34413509f6000p-2;
}

inline double cbrt(double x) {
  using namespace detail;
  const uint32_t hx = static_cast<uint32_t>(high(x)) & 0x7fffffffu;
  if (hx >= 0x7ff00000u || x == 0.0) return x;
  const double size = std::fabs(x);
  double t;  // to 5 bits
  if (hx < 0x00100000u) {
    t = 0x1p54 * size;
    t = with_high(t, static_cast<uint32_t>(high(t)) / 3 + 696219795u);
  } else {
    t = from_high(hx / 3 + 715094163u);
  }
  // to 23 bits
  double r = t * t / size;
  double s = 0x1.15f15f15f15f1p-1 + r * t;
  t *= 0x1.6db6db6db6db7p-2 + 0x1.9b6db6db6db6ep+0 / (s + 0x1.6a0ea0ea0ea0fp+0 + -0x1.691de2532c834p-1 / s);
  t = from_high(static_cast<uint32_t>(high(t)) + 1u);
  // one Newton step
  s = t * t;
  r = size / s;
  const double w = t + t;
  r = (r - t) / (w + r);
  t = t + t * r;
  return std::copysign(t, x);
}

// The length of the vector (x, y), without overflow on the way.
inline double hypot(double x, double y) {
  using namespace detail;
  double a = std::fabs(x);
  double b = std::fabs(y);
  if (a == kInfinity || b == kInfinity) return kInfinity;
  if (a != a || b != b) return kNan;
  if (high(b) > high(a)) std::swap(a, b);
  if (high(a) - high(b) > 0x3c00000) return a + b;
  double scale = 1.0;
  if (high(a) > 0x5f300000) {
    a *= 0x1p-600;
    b *= 0x1p-600;
    scale = 0x1p600;
  }
  uint32_t a_high = static_cast<uint32_t>(high(a));
  uint32_t b_high = static_cast<uint32_t>(high(b));
  if (b_high < 0x20b00000u) {
    if (b == 0.0) return a;
    const bool subnormal = b_high < 0x00100000u;
    a *= subnormal ? 0x1p1022 : 0x1p600;
    b *= subnormal ? 0x1p1022 : 0x1p600;
    scale = subnormal ? 0x1p-1022 : 0x1p-600;
    if (!subnormal) {  // else fdlibm cuts where it would have cut before it scaled
      a_high = static_cast<uint32_t>(high(a));
      b_high = static_cast<uint32_t>(high(b));
    }
  }
  double w = a - b;
  if (w > b) {
    const double a_head = from_high(a_high);
    const double a_tail = a - a_head;
    w = std::sqrt(a_head * a_head - (b * -b - a_tail * (a + a_head)));
  } else {
    const double twice_head = from_high(a_high + 0x00100000u);
    const double twice_tail = (a + a) - twice_head;
    const double b_head = from_high(b_high);
    const double b_tail = b - b_head;
    w = std::sqrt(twice_head * b_head - (w * -w - (twice_head * b_tail + twice_tail * b)));
  }
  return w * scale;
}

}  // namespace feat::strictmath
