// sin, cos, tan and their inverses, equal to the bit to Java's StrictMath on every machine; see strictmath.h.
//
//   Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved.
//
//   Developed at SunPro and SunSoft, Sun Microsystems, Inc. businesses.
//   Permission to use, copy, modify, and distribute this software is freely granted,
//   provided that this notice is preserved.
#pragma once

#include <cstddef>

#include "engine/strictmath.h"

namespace feat::strictmath {

namespace detail {

// An angle of at most pi/4 as a head and a tail, and the number (modulo 4) of right angles taken off.
struct Reduced {
  double head;
  double tail;
  int32_t quarter;
};

// 2 / pi in pieces of 24 bits.
inline constexpr int32_t kTwoOverPi[66] = {
    0xa2f983, 0x6e4e44, 0x1529fc, 0x2757d1, 0xf534dd, 0xc0db62, 0x95993c, 0x439041, 0xfe5163, 0xabdebb, 0xc561b7,
    0x246e3a, 0x424dd2, 0xe00649, 0x2eea09, 0xd1921c, 0xfe1deb, 0x1cb129, 0xa73ee8, 0x8235f5, 0x2ebb44, 0x84e99c,
    0x7026b4, 0x5f7e41, 0x3991d6, 0x398353, 0x39f49c, 0x845f8b, 0xbdf928, 0x3b1ff8, 0x97ffde, 0x05980f, 0xef2f11,
    0x8b5a0a, 0x6d1f6d, 0x367ecf, 0x27cb09, 0xb74f46, 0x3f669e, 0x5fea2d, 0x7527ba, 0xc7ebe5, 0xf17b3d, 0x0739f7,
    0x8a5292, 0xea6bfb, 0x5fb11f, 0x8d5d08, 0x560330, 0x46fc7b, 0x6babf0, 0xcfbc20, 0x9af436, 0x1da9e3, 0x91615e,
    0xe61b08, 0x659985, 0x5f14a0, 0x68408d, 0xffd880, 0x4d7327, 0x310606, 0x1556ca, 0x73a8c9, 0x60e27b, 0xc08c6b};

// pi / 2 in pieces.
inline constexpr double kPiOver2[5] = {0x1.921fb4p+0, 0x1.4442dp-24, 0x1.846988p-48, 0x1.8cc516p-72, 0x1.01b838p-96};

// 2^n, for a normal result.
inline double power_of_two(int32_t n) { return from_high(static_cast<uint32_t>(n + 1023) << 20); }

// Reduces the number x[0] * 2^e + x[1] * 2^(e-24) + … (`count` pieces, the last not 0) by multiples of pi/2: the
// product with 2/pi is made in pieces of 24 bits, of which those are left out that are multiples of 8.
inline Reduced reduce_pieces(const double* x, int32_t e, size_t count) {
  constexpr size_t kFirst = 4;  // this many and one more pieces of 2/pi are needed at least
  double f[20], q[20], product[20] = {};
  int32_t iq[20];
  const size_t jx = count - 1;
  const size_t skipped = e < 3 ? 0 : static_cast<size_t>((e - 3) / 24);
  int32_t q0 = e - 24 * (static_cast<int32_t>(skipped) + 1);
  const auto piece = [&](size_t i) {  // of 2/pi, for f[i]
    return skipped + i < jx ? 0.0 : static_cast<double>(kTwoOverPi[skipped + i - jx]);
  };
  for (size_t i = 0; i <= jx + kFirst; ++i) f[i] = piece(i);
  const auto digit = [&](size_t i) {
    double sum = 0.0;
    for (size_t j = 0; j <= jx; ++j) sum += x[j] * f[jx + i - j];
    return sum;
  };
  for (size_t i = 0; i <= kFirst; ++i) q[i] = digit(i);
  size_t jz = kFirst;
  int32_t n = 0;
  int32_t above_half = 0;
  double z = 0.0;
  for (;;) {
    z = q[jz];
    for (size_t i = 0, j = jz; j > 0; ++i, --j) {
      const double carry = static_cast<double>(static_cast<int32_t>(0x1p-24 * z));
      iq[i] = static_cast<int32_t>(z - 0x1p24 * carry);
      z = q[j - 1] + carry;
    }
    z *= power_of_two(q0);
    z -= 8.0 * std::floor(z * 0.125);
    n = static_cast<int32_t>(z);
    z -= static_cast<double>(n);
    above_half = 0;
    if (q0 > 0) {
      const int32_t whole = iq[jz - 1] >> (24 - q0);
      n += whole;
      iq[jz - 1] -= whole << (24 - q0);
      above_half = iq[jz - 1] >> (23 - q0);
    } else if (q0 == 0) {
      above_half = iq[jz - 1] >> 23;
    } else if (z >= 0.5) {
      above_half = 2;
    }
    if (above_half > 0) {  // 1 - q
      n += 1;
      bool carried = false;
      for (size_t i = 0; i < jz; ++i) {
        const int32_t j = iq[i];
        if (carried) {
          iq[i] = 0xffffff - j;
        } else if (j != 0) {
          carried = true;
          iq[i] = 0x1000000 - j;
        }
      }
      if (q0 == 1) iq[jz - 1] &= 0x7fffff;
      if (q0 == 2) iq[jz - 1] &= 0x3fffff;
      if (above_half == 2) {
        z = 1.0 - z;
        if (carried) z -= power_of_two(q0);
      }
    }
    if (z != 0.0) break;
    int32_t rest = 0;
    for (size_t i = kFirst; i < jz; ++i) rest |= iq[i];
    if (rest != 0) break;
    size_t more = 1;
    while (iq[kFirst - more] == 0) ++more;
    for (size_t i = jz + 1; i <= jz + more; ++i) {
      f[jx + i] = piece(jx + i);
      q[i] = digit(i);
    }
    jz += more;
  }
  if (z == 0.0) {
    do {
      --jz;
      q0 -= 24;
    } while (iq[jz] == 0);
  } else {
    z *= power_of_two(-q0);
    if (z >= 0x1p24) {
      const double carry = static_cast<double>(static_cast<int32_t>(0x1p-24 * z));
      iq[jz] = static_cast<int32_t>(z - 0x1p24 * carry);
      ++jz;
      q0 += 24;
      iq[jz] = static_cast<int32_t>(carry);
    } else {
      iq[jz] = static_cast<int32_t>(z);
    }
  }
  double unit = power_of_two(q0);
  for (size_t i = jz + 1; i-- > 0;) {
    q[i] = unit * static_cast<double>(iq[i]);
    unit *= 0x1p-24;
  }
  for (size_t i = jz + 1; i-- > 0;) {
    double sum = 0.0;
    for (size_t k = 0; k <= kFirst && k <= jz - i; ++k) sum += kPiOver2[k] * q[i + k];
    product[jz - i] = sum;
  }
  double sum = 0.0;
  for (size_t i = jz + 1; i-- > 0;) sum += product[i];
  const double head = sum;
  sum = product[0] - head;
  for (size_t i = 1; i <= jz; ++i) sum += product[i];
  return above_half == 0 ? Reduced{head, sum, n & 3} : Reduced{-head, -sum, n & 3};
}

// `x` is finite, and beyond pi/4 in size.
inline Reduced reduce(double x) {
  constexpr double kPart1 = 0x1.921fb544p+0;  // pi/2 in three parts of 33 bits, and what is left after each
  constexpr double kRest1 = 0x1.0b4611a626331p-34;
  constexpr double kPart2 = 0x1.0b4611a6p-34;
  constexpr double kRest2 = 0x1.3198a2e037073p-69;
  constexpr double kPart3 = 0x1.3198a2ep-69;
  constexpr double kRest3 = 0x1.b839a252049c1p-104;
  constexpr int32_t kMultiples[32] = {
      // the upper halves of pi/2, 2 pi/2, 3 pi/2…
      0x3ff921fb, 0x400921fb, 0x4012d97c, 0x401921fb, 0x401f6a7a, 0x4022d97c, 0x4025fdbb, 0x402921fb,
      0x402c463a, 0x402f6a7a, 0x4031475c, 0x4032d97c, 0x40346b9c, 0x4035fdbb, 0x40378fdb, 0x403921fb,
      0x403ab41b, 0x403c463a, 0x403dd85a, 0x403f6a7a, 0x40407e4c, 0x4041475c, 0x4042106c, 0x4042d97c,
      0x4043a28c, 0x40446b9c, 0x404534ac, 0x4045fdbb, 0x4046c6cb, 0x40478fdb, 0x404858eb, 0x404921fb};
  const bool negative = high(x) < 0;
  const double size = std::fabs(x);
  const int32_t hx = high(size);
  double head = 0.0;
  double tail = 0.0;
  int32_t n = 0;
  if (hx < 0x4002d97c) {  // 3 pi / 4
    double z = size - kPart1;
    double rest = kRest1;
    if (hx == 0x3ff921fb) {
      z -= kPart2;
      rest = kRest2;
    }
    head = z - rest;
    tail = (z - head) - rest;
    n = 1;
  } else if (hx <= 0x413921fb) {  // 2^19 pi / 2
    n = static_cast<int32_t>(size * 0x1.45f306dc9c883p-1 + 0.5);
    const double multiple = n;
    double r = size - multiple * kPart1;
    double w = multiple * kRest1;
    head = r - w;
    if (n >= 32 || hx == kMultiples[n - 1]) {
      const int32_t exponent = hx >> 20;
      if (exponent - ((high(head) >> 20) & 0x7ff) > 16) {
        double t = r;
        w = multiple * kPart2;
        r = t - w;
        w = multiple * kRest2 - ((t - r) - w);
        head = r - w;
        if (exponent - ((high(head) >> 20) & 0x7ff) > 49) {
          t = r;
          w = multiple * kPart3;
          r = t - w;
          w = multiple * kRest3 - ((t - r) - w);
          head = r - w;
        }
      }
    }
    tail = (r - head) - w;
  } else {
    const int32_t e = (hx >> 20) - 1046;
    double z = add_to_exponent(size, -e);
    double pieces[3];
    for (int i = 0; i < 2; ++i) {
      pieces[i] = static_cast<double>(static_cast<int32_t>(z));
      z = (z - pieces[i]) * 0x1p24;
    }
    pieces[2] = z;
    size_t count = 3;
    while (pieces[count - 1] == 0.0) --count;
    const Reduced reduced = reduce_pieces(pieces, e, count);
    head = reduced.head;
    tail = reduced.tail;
    n = reduced.quarter;
  }
  return negative ? Reduced{-head, -tail, -n & 3} : Reduced{head, tail, n & 3};
}

// sin, cos and tan of an angle of at most pi/4, `tail` being small beside it.
inline double sin_of(double x, double tail, bool exact) {
  if ((high(x) & 0x7fffffff) < 0x3e400000) return x;
  const double z = x * x;
  const double v = z * x;
  const double r = 0x1.111111110f8a6p-7 +
                   z * (-0x1.a01a019c161d5p-13 +
                        z * (0x1.71de357b1fe7dp-19 + z * (-0x1.ae5e68a2b9cebp-26 + z * 0x1.5d93a5acfd57cp-33)));
  constexpr double kFirst = -0x1.5555555555549p-3;
  if (exact) return x + v * (kFirst + z * r);
  return x - ((z * (0.5 * tail - v * r) - tail) - v * kFirst);
}

inline double cos_of(double x, double tail) {
  const int32_t hx = high(x) & 0x7fffffff;
  if (hx < 0x3e400000) return 1.0;
  const double z = x * x;
  const double r =
      z * (0x1.555555555554cp-5 +
           z * (-0x1.6c16c16c15177p-10 +
                z * (0x1.a01a019cb159p-16 +
                     z * (-0x1.27e4f809c52adp-22 + z * (0x1.1ee9ebdb4b1c4p-29 + z * -0x1.8fae9be8838d4p-37)))));
  if (hx < 0x3fd33333) return 1.0 - (0.5 * z - (z * r - x * tail));
  const double quarter = hx > 0x3fe90000 ? 0.28125 : from_high(static_cast<uint32_t>(hx) - 0x00200000u);
  const double half = 0.5 * z - quarter;
  return (1.0 - quarter) - (half - (z * r - x * tail));
}

// `turned`: -1 / tan, which is the tangent a right angle on.
inline double tan_of(double x, double tail, bool turned) {
  const bool negative = high(x) < 0;
  const int32_t hx = high(x) & 0x7fffffff;
  if (hx < 0x3e300000) {
    if (!turned) return x;
    const double w = x + tail;
    const double z = head(w);
    const double v = tail - (z - x);
    const double a = -1.0 / w;
    const double t = head(a);
    const double s = 1.0 + t * z;
    return t + a * (s + t * v);
  }
  const bool near = hx >= 0x3fe59428;  // pi/4
  if (near) {
    if (negative) {
      x = -x;
      tail = -tail;
    }
    x = (0x1.921fb54442d18p-1 - x) + (0x1.1a62633145c07p-55 - tail);
    tail = 0.0;
  }
  const double z = x * x;
  double w = z * z;
  double r = 0x1.111111110fe7ap-3 +
             w * (0x1.664f48406d637p-6 +
                  w * (0x1.d6d22c9560328p-9 +
                       w * (0x1.344d8f2f26501p-11 + w * (0x1.47e88a03792a6p-14 + w * -0x1.375cbdb605373p-16))));
  double v = z * (0x1.ba1ba1bb341fep-5 +
                  w * (0x1.226e3e96e8493p-7 +
                       w * (0x1.7dbc8fee08315p-10 +
                            w * (0x1.026f71a8d1068p-12 + w * (0x1.2b80f32f0a7e9p-14 + w * 0x1.b2a7074bf7ad4p-16)))));
  const double s = z * x;
  r = tail + z * (s * (r + v) + tail);
  r += 0x1.5555555555563p-2 * s;
  w = x + r;
  if (near) {
    v = turned ? -1.0 : 1.0;
    const double found = v - 2.0 * (x - (w * w / (w + v) - r));
    return negative ? -found : found;
  }
  if (!turned) return w;
  const double w_head = head(w);
  v = r - (w_head - x);
  const double a = -1.0 / w;
  const double t = head(a);
  return t + a * ((1.0 + t * w_head) + t * v);
}

// The polynomial quotient of asin and acos.
inline double asin_ratio(double t) {
  const double p =
      t * (0x1.5555555555555p-3 +
           t * (-0x1.4d61203eb6f7dp-2 +
                t * (0x1.9c1550e884455p-3 +
                     t * (-0x1.48228b5688f3bp-5 + t * (0x1.9efe07501b288p-11 + t * 0x1.23de10dfdf709p-15)))));
  const double q = 1.0 + t * (-0x1.33a271c8a2d4bp+1 +
                              t * (0x1.02ae59c598ac8p+1 + t * (-0x1.6066c1b8d0159p-1 + t * 0x1.3b8c5b12e9282p-4)));
  return p / q;
}

inline constexpr double kHalfPi = 0x1.921fb54442d18p+0;
inline constexpr double kHalfPiTail = 0x1.1a62633145c07p-54;
inline constexpr double kPi = 0x1.921fb54442d18p+1;
inline constexpr double kPiTail = 0x1.1a62633145c07p-53;

}  // namespace detail

// NaN for an infinity.
inline double sin(double x) {
  using namespace detail;
  const int32_t hx = high(x) & 0x7fffffff;
  if (hx <= 0x3fe921fb) return sin_of(x, 0.0, true);
  if (hx >= 0x7ff00000) return kNan;
  const Reduced angle = reduce(x);
  const double found =
      (angle.quarter & 1) == 0 ? sin_of(angle.head, angle.tail, false) : cos_of(angle.head, angle.tail);
  return angle.quarter >= 2 ? -found : found;
}

inline double cos(double x) {
  using namespace detail;
  const int32_t hx = high(x) & 0x7fffffff;
  if (hx <= 0x3fe921fb) return cos_of(x, 0.0);
  if (hx >= 0x7ff00000) return kNan;
  const Reduced angle = reduce(x);
  const double found =
      (angle.quarter & 1) == 0 ? cos_of(angle.head, angle.tail) : sin_of(angle.head, angle.tail, false);
  return angle.quarter == 1 || angle.quarter == 2 ? -found : found;
}

inline double tan(double x) {
  using namespace detail;
  const int32_t hx = high(x) & 0x7fffffff;
  if (hx <= 0x3fe921fb) return tan_of(x, 0.0, false);
  if (hx >= 0x7ff00000) return kNan;
  const Reduced angle = reduce(x);
  return tan_of(angle.head, angle.tail, (angle.quarter & 1) != 0);
}

// NaN outside -1 to 1.
inline double asin(double x) {
  using namespace detail;
  const double size = std::fabs(x);
  const int32_t hx = high(size);
  if (!(size < 1.0)) return size == 1.0 ? x * kHalfPi + x * kHalfPiTail : kNan;
  if (hx < 0x3fe00000) return hx < 0x3e400000 ? x : x + x * asin_ratio(x * x);
  const double t = (1.0 - size) * 0.5;
  const double ratio = asin_ratio(t);
  const double s = std::sqrt(t);
  double found;
  if (hx >= 0x3fef3333) {
    found = kHalfPi - (2.0 * (s + s * ratio) - kHalfPiTail);
  } else {
    const double w = head(s);
    const double c = (t - w * w) / (s + w);
    const double p = 2.0 * s * ratio - (kHalfPiTail - 2.0 * c);
    const double q = 0.5 * kHalfPi - 2.0 * w;
    found = 0.5 * kHalfPi - (p - q);
  }
  return high(x) > 0 ? found : -found;
}

inline double acos(double x) {
  using namespace detail;
  const double size = std::fabs(x);
  const int32_t hx = high(size);
  if (!(size < 1.0)) return x == 1.0 ? 0.0 : x == -1.0 ? kPi + 2.0 * kHalfPiTail : kNan;
  if (hx < 0x3fe00000) {
    if (hx <= 0x3c600000) return kHalfPi + kHalfPiTail;
    return kHalfPi - (x - (kHalfPiTail - x * asin_ratio(x * x)));
  }
  if (high(x) < 0) {
    const double z = (1.0 + x) * 0.5;
    const double s = std::sqrt(z);
    const double w = asin_ratio(z) * s - kHalfPiTail;
    return kPi - 2.0 * (s + w);
  }
  const double z = (1.0 - x) * 0.5;
  const double s = std::sqrt(z);
  const double s_head = head(s);
  const double c = (z - s_head * s_head) / (s + s_head);
  const double w = asin_ratio(z) * s + c;
  return 2.0 * (s_head + w);
}

inline double atan(double x) {
  using namespace detail;
  if (x != x) return x;
  const bool negative = high(x) < 0;
  const int32_t hx = high(x) & 0x7fffffff;
  if (hx >= 0x44100000) return negative ? -kHalfPi - kHalfPiTail : kHalfPi + kHalfPiTail;  // 2^66
  double whole = 0.0;  // the arc tangent that is taken off first, and its tail
  double tail = 0.0;
  const bool small = hx < 0x3fdc0000;
  if (small) {
    if (hx < 0x3e200000) return x;
  } else {
    x = std::fabs(x);
    if (hx < 0x3fe60000) {
      whole = 0x1.dac670561bb4fp-2;
      tail = 0x1.a2b7f222f65e2p-56;
      x = (2.0 * x - 1.0) / (2.0 + x);
    } else if (hx < 0x3ff30000) {
      whole = 0x1.921fb54442d18p-1;
      tail = 0x1.1a62633145c07p-55;
      x = (x - 1.0) / (x + 1.0);
    } else if (hx < 0x40038000) {
      whole = 0x1.f730bd281f69bp-1;
      tail = 0x1.007887af0cbbdp-56;
      x = (x - 1.5) / (1.0 + 1.5 * x);
    } else {
      whole = kHalfPi;
      tail = kHalfPiTail;
      x = -1.0 / x;
    }
  }
  const double z = x * x;
  const double w = z * z;
  const double even =
      z * (0x1.555555555550dp-2 +
           w * (0x1.24924920083ffp-3 +
                w * (0x1.745cdc54c206ep-4 +
                     w * (0x1.10d66a0d03d51p-4 + w * (0x1.97b4b24760debp-5 + w * 0x1.0ad3ae322da11p-6)))));
  const double odd = w * (-0x1.999999998ebc4p-3 +
                          w * (-0x1.c71c6fe231671p-4 +
                               w * (-0x1.3b0f2af749a6dp-4 + w * (-0x1.dde2d52defd9ap-5 + w * -0x1.2b4442c6a6c2fp-5))));
  if (small) return x - x * (even + odd);
  const double found = whole - ((x * (even + odd) - tail) - x);
  return negative ? -found : found;
}

// The angle of the point (x, y), -pi to pi; signed zeros and infinities as IEEE 754 has them.
inline double atan2(double y, double x) {
  using namespace detail;
  if (x != x || y != y) return kNan;
  if (x == 1.0) return atan(y);
  const bool left = high(x) < 0;
  const bool below = high(y) < 0;
  double z;
  if (y == 0.0) {
    z = left ? kPi : 0.0;
  } else if (x == 0.0) {
    z = kHalfPi;
  } else if (std::fabs(x) == kInfinity) {
    const double diagonal = 0.5 * kHalfPi;
    z = std::fabs(y) != kInfinity ? (left ? kPi : 0.0) : left ? 3.0 * diagonal : diagonal;
  } else if (std::fabs(y) == kInfinity) {
    z = kHalfPi;
  } else {
    const int32_t apart = ((high(y) & 0x7fffffff) - (high(x) & 0x7fffffff)) >> 20;
    if (apart > 60) {
      z = kHalfPi + 0.5 * kPiTail;
    } else if (left && apart < -60) {
      z = 0.0;
    } else {
      z = atan(std::fabs(y / x));
    }
    if (left) return below ? (z - kPiTail) - kPi : kPi - (z - kPiTail);
  }
  return below ? -z : z;
}

}  // namespace feat::strictmath
