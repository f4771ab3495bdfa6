// exp, log, log1p and pow, equal to the bit to Java's StrictMath on every machine.
//
// These are the algorithms of fdlibm in plain binary64 arithmetic (build with -ffp-contract=off);
// featdsl/operators/strictmath.py holds the same in Python. Of libm only sqrt and floor are used, which
// IEEE 754 determines.
//
//   Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved.
//
//   Developed at SunPro and SunSoft, Sun Microsystems, Inc. businesses.
//   Permission to use, copy, modify, and distribute this software is freely granted,
//   provided that this notice is preserved.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace feat::strictmath {

namespace detail {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

inline constexpr double kLn2High = 0x1.62e42feep-1;
inline constexpr double kLn2Low = 0x1.a39ef35793c76p-33;

inline constexpr double kLog1 = 0x1.5555555555593p-1;
inline constexpr double kLog2 = 0x1.999999997fa04p-2;
inline constexpr double kLog3 = 0x1.2492494229359p-2;
inline constexpr double kLog4 = 0x1.c71c51d8e78afp-3;
inline constexpr double kLog5 = 0x1.7466496cb03dep-3;
inline constexpr double kLog6 = 0x1.39a09d078c69fp-3;
inline constexpr double kLog7 = 0x1.2f112df3e5244p-3;

inline constexpr double kExp1 = 0x1.555555555553ep-3;
inline constexpr double kExp2 = -0x1.6c16c16bebd93p-9;
inline constexpr double kExp3 = 0x1.1566aaf25de2cp-14;
inline constexpr double kExp4 = -0x1.bbd41c5d26bf1p-20;
inline constexpr double kExp5 = 0x1.6376972bea4d0p-25;

inline uint64_t bits(double x) { return std::bit_cast<uint64_t>(x); }

// The upper 32 bits of a double, as the algorithms want them.
inline int32_t high(double x) { return static_cast<int32_t>(bits(x) >> 32); }

inline double with_high(double x, uint32_t word) {
  return std::bit_cast<double>(static_cast<uint64_t>(word) << 32 | (bits(x) & 0xffffffffu));
}

inline double from_high(uint32_t word) { return std::bit_cast<double>(static_cast<uint64_t>(word) << 32); }

// The value with the lower 32 bits cleared.
inline double head(double x) { return std::bit_cast<double>(bits(x) & 0xffffffff00000000u); }

inline double add_to_exponent(double x, int32_t k) {
  return with_high(x, static_cast<uint32_t>(high(x)) + (static_cast<uint32_t>(k) << 20));
}

}  // namespace detail

// e to the x; infinity from 709.79 on, 0 below -745.14.
inline double exp(double x) {
  using namespace detail;
  const bool negative = high(x) < 0;
  const int32_t hx = high(x) & 0x7fffffff;
  if (hx >= 0x40862e42) {
    if (x != x) return x;
    if (x > 0x1.62e42fefa39efp+9) return kInfinity;
    if (x < -0x1.74910d52d3051p+9) return 0.0;
  }
  int32_t k = 0;
  double upper = 0.0;
  double lower = 0.0;
  if (hx > 0x3fd62e42) {
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
  } else if (hx < 0x3e300000) {
    return 1.0 + x;
  }
  const double t = x * x;
  const double c = x - t * (kExp1 + t * (kExp2 + t * (kExp3 + t * (kExp4 + t * kExp5))));
  if (k == 0) return 1.0 - ((x * c) / (c - 2.0) - x);
  const double y = 1.0 - ((lower - (x * c) / (2.0 - c)) - upper);
  if (k >= -1021) return add_to_exponent(y, k);
  return add_to_exponent(y, k + 1000) * 0x1p-1000;
}

// The natural logarithm; -infinity at 0, NaN below.
inline double log(double x) {
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
  hx &= 0x000fffff;
  const int32_t i = (hx + 0x95f64) & 0x100000;
  x = with_high(x, static_cast<uint32_t>(hx | (i ^ 0x3ff00000)));
  k += i >> 20;
  const double f = x - 1.0;
  const double dk = k;
  if ((0x000fffff & (2 + hx)) < 3) {
    if (f == 0.0) return k == 0 ? 0.0 : dk * kLn2High + dk * kLn2Low;
    const double r = f * f * (0.5 - 0.33333333333333333 * f);
    return k == 0 ? f - r : dk * kLn2High - ((r - dk * kLn2Low) - f);
  }
  const double s = f / (2.0 + f);
  const double z = s * s;
  const double w = z * z;
  const double t1 = w * (kLog2 + w * (kLog4 + w * kLog6));
  const double t2 = z * (kLog1 + w * (kLog3 + w * (kLog5 + w * kLog7)));
  const double r = t2 + t1;
  if (((hx - 0x6147a) | (0x6b851 - hx)) > 0) {
    const double square = 0.5 * f * f;
    if (k == 0) return f - (square - s * (square + r));
    return dk * kLn2High - ((square - (s * (square + r) + dk * kLn2Low)) - f);
  }
  if (k == 0) return f - s * (f - r);
  return dk * kLn2High - ((s * (f - r) - dk * kLn2Low) - f);
}

// log(1 + x), exact for small x; -infinity at -1, NaN below.
inline double log1p(double x) {
  using namespace detail;
  const int32_t hx = high(x);
  const int32_t magnitude = hx & 0x7fffffff;
  int32_t k = 1;
  int32_t hu = 1;
  double f = 0.0;
  double c = 0.0;
  if (hx < 0x3fda827a) {
    if (magnitude >= 0x3ff00000) {
      if (x != x) return x;
      return x == -1.0 ? -kInfinity : kNan;
    }
    if (magnitude < 0x3e200000) return magnitude < 0x3c900000 ? x : x - x * x * 0.5;
    if (hx > 0 || hx <= static_cast<int32_t>(0xbfd2bec3u)) {
      k = 0;
      f = x;
    }
  }
  if (hx >= 0x7ff00000) return x;
  if (k != 0) {
    double u = x;
    if (hx < 0x43400000) {
      u = 1.0 + x;
      hu = high(u);
      k = (hu >> 20) - 1023;
      c = (k > 0 ? 1.0 - (u - x) : x - (u - 1.0)) / u;
    } else {
      hu = high(u);
      k = (hu >> 20) - 1023;
    }
    hu &= 0x000fffff;
    if (hu < 0x6a09e) {
      u = with_high(u, static_cast<uint32_t>(hu | 0x3ff00000));
    } else {
      ++k;
      u = with_high(u, static_cast<uint32_t>(hu | 0x3fe00000));
      hu = (0x00100000 - hu) >> 2;
    }
    f = u - 1.0;
  }
  const double dk = k;
  const double square = 0.5 * f * f;
  if (hu == 0) {
    if (f == 0.0) return k == 0 ? 0.0 : dk * kLn2High + (c + dk * kLn2Low);
    const double r = square * (1.0 - 0.66666666666666666 * f);
    return k == 0 ? f - r : dk * kLn2High - ((r - (dk * kLn2Low + c)) - f);
  }
  const double s = f / (2.0 + f);
  const double z = s * s;
  const double r = z * (kLog1 + z * (kLog2 + z * (kLog3 + z * (kLog4 + z * (kLog5 + z * (kLog6 + z * kLog7))))));
  if (k == 0) return f - (square - s * (square + r));
  return dk * kLn2High - ((square - (s * (square + r) + (dk * kLn2Low + c))) - f);
}

namespace detail {

struct HeadTail {
  double head;
  double tail;
};

// 0: not an integer, 1: odd, 2: even. `y` is finite.
inline int parity(double y) {
  const double magnitude = std::fabs(y);
  if (magnitude >= 0x1p53) return 2;
  if (magnitude != std::floor(magnitude)) return 0;
  return 2 - static_cast<int>(static_cast<int64_t>(magnitude) & 1);
}

// log2(x) for |y| > 2^31, where only an x next to 1 neither over- nor underflows.
inline HeadTail log2_near_one(double x) {
  constexpr double kInvLn2 = 0x1.71547652b82fep+0;
  constexpr double kInvLn2High = 0x1.715476p+0;
  constexpr double kInvLn2Low = 0x1.4ae0bf85ddf44p-26;
  const double t = x - 1.0;
  const double w = (t * t) * (0.5 - t * (0.3333333333333333333333 - t * 0.25));
  const double u = kInvLn2High * t;
  const double v = t * kInvLn2Low - w * kInvLn2;
  const double t1 = head(u + v);
  return {t1, v - (t1 - u)};
}

inline HeadTail log2_head_tail(double x) {
  constexpr double kCp = 0x1.ec709dc3a03fdp-1;  // 2 / (3 ln 2), and as head and tail
  constexpr double kCpHigh = 0x1.ec709ep-1;
  constexpr double kCpLow = -0x1.e2fe0145b01f5p-28;
  int32_t n = 0;
  int32_t ix = high(x);
  if (ix < 0x00100000) {
    x *= 0x1p53;
    n = -53;
    ix = high(x);
  }
  n += (ix >> 20) - 0x3ff;
  const int32_t j = ix & 0x000fffff;
  ix = j | 0x3ff00000;
  uint32_t k = 0;
  if (j > 0x3988e && j < 0xbb67a) {
    k = 1;
  } else if (j >= 0xbb67a) {
    ++n;
    ix -= 0x00100000;
  }
  const double breakpoint = k == 0 ? 1.0 : 1.5;
  const double log2_high = k == 0 ? 0.0 : 0x1.2b8034p-1;
  const double log2_low = k == 0 ? 0.0 : 0x1.cfdeb43cfd006p-27;
  x = with_high(x, static_cast<uint32_t>(ix));
  double u = x - breakpoint;
  double v = 1.0 / (x + breakpoint);
  const double s = u * v;
  const double s_head = head(s);
  double t_head = from_high(((static_cast<uint32_t>(ix) >> 1) | 0x20000000u) + 0x00080000u + (k << 18));
  double t_tail = x - (t_head - breakpoint);
  const double s_tail = v * ((u - s_head * t_head) - s_head * t_tail);
  double s2 = s * s;
  double r = s2 * s2 *
             (0x1.3333333333303p-1 +
              s2 * (0x1.b6db6db6fabffp-2 +
                    s2 * (0x1.55555518f264dp-2 +
                          s2 * (0x1.17460a91d4101p-2 + s2 * (0x1.d864a93c9db65p-3 + s2 * 0x1.a7e284a454eefp-3)))));
  r += s_tail * (s_head + s);
  s2 = s_head * s_head;
  t_head = head(3.0 + s2 + r);
  t_tail = r - ((t_head - 3.0) - s2);
  u = s_head * t_head;
  v = s_tail * t_head + t_tail * s;
  const double p_head = head(u + v);
  const double p_tail = v - (p_head - u);
  const double z_head = kCpHigh * p_head;
  const double z_tail = kCpLow * p_head + p_tail * kCp + log2_low;
  const double t = n;
  const double t1 = head(((z_head + z_tail) + log2_high) + t);
  return {t1, z_tail - (((t1 - t) - log2_high) - z_head)};
}

// 2 to the y * (log2.head + log2.tail).
inline double exp2_product(double y, HeadTail log2) {
  const double y_head = head(y);
  const double p_tail = (y - y_head) * log2.head + y * log2.tail;
  double p_head = y_head * log2.head;
  double z = p_tail + p_head;
  if (z > 1024.0 || (z == 1024.0 && p_tail + 8.0085662595372944372e-17 > z - p_head)) return kInfinity;
  if (z < -1075.0 || (z == -1075.0 && p_tail <= z - p_head)) return 0.0;
  const uint32_t j = static_cast<uint32_t>(high(z));
  const uint32_t i = j & 0x7fffffffu;
  int32_t n = 0;
  if (i > 0x3fe00000u) {
    const uint32_t rounded = j + (0x00100000u >> ((i >> 20) - 0x3feu));
    const uint32_t k = ((rounded & 0x7fffffffu) >> 20) - 0x3ffu;
    p_head -= from_high(rounded & ~(0x000fffffu >> k));
    n = static_cast<int32_t>(((rounded & 0x000fffffu) | 0x00100000u) >> (20 - k));
    if (high(z) < 0) n = -n;
  }
  double t = head(p_tail + p_head);
  const double u = t * 0x1.62e43p-1;
  const double v = (p_tail - (t - p_head)) * 0x1.62e42fefa39efp-1 + t * -0x1.05c610ca86c39p-29;
  z = u + v;
  const double w = v - (z - u);
  t = z * z;
  const double t1 = z - t * (kExp1 + t * (kExp2 + t * (kExp3 + t * (kExp4 + t * kExp5))));
  const double r = (z * t1) / (t1 - 2.0) - (w + z * w);
  z = 1.0 - (r - z);
  const int32_t exponent = static_cast<int32_t>(bits(z) >> 52) + n;
  if (exponent > 0) return add_to_exponent(z, n);
  return add_to_exponent(z, n + 200) * 0x1p-200;  // subnormal: one rounding, of the exact value
}

}  // namespace detail

// x to the y, as Java has it: pow(x, 0) is 1 for every x, pow(1, NaN) and pow(+-1, +-infinity) are NaN.
inline double pow(double x, double y) {
  using namespace detail;
  if (y == 0.0) return 1.0;
  if (x != x || y != y) return kNan;
  const double magnitude = std::fabs(x);
  if (std::fabs(y) == kInfinity) {
    if (magnitude == 1.0) return kNan;
    return (magnitude > 1.0) == (y > 0.0) ? kInfinity : 0.0;
  }
  if (y == 1.0) return x;
  if (y == -1.0) return 1.0 / x;
  if (y == 2.0) return x * x;
  const bool negative = high(x) < 0;
  if (y == 0.5 && !negative) return std::sqrt(x);
  const int whole = negative ? parity(y) : 2;
  if (magnitude == 0.0 || magnitude == 1.0 || magnitude == kInfinity) {
    const double z = y > 0.0 ? magnitude : 1.0 / magnitude;
    if (whole == 2) return z;
    if (whole == 1) return -z;
    return magnitude == 1.0 ? kNan : z;
  }
  if (whole == 0) return kNan;
  const double sign = whole == 1 ? -1.0 : 1.0;
  const int32_t hy = high(y) & 0x7fffffff;
  if (hy <= 0x41e00000) return sign * exp2_product(y, log2_head_tail(magnitude));
  const int32_t hx = high(magnitude);
  const bool far = hy > 0x43f00000;  // then an x one step from 1 is out of range too
  if (far ? hx <= 0x3fefffff : hx < 0x3fefffff) return y < 0.0 ? sign * kInfinity : sign * 0.0;
  if (far ? hx >= 0x3ff00000 : hx > 0x3ff00000) return y > 0.0 ? sign * kInfinity : sign * 0.0;
  return sign * exp2_product(y, log2_near_one(magnitude));
}

}  // namespace feat::strictmath
