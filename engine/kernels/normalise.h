// Bodies of featdsl/operators/normalise.py.
#pragma once

#include "engine/kernel.h"
#include "engine/strictmath_hyperbolic.h"
#include "engine/strictmath_trig.h"

namespace feat::normalise {

struct Scale {
  double zero;  // what becomes 0
  double unit;  // how far from there 1 is
  bool clip = false;

  double operator()(double x) const {
    const double place = (x - zero) / unit;
    if (!clip) return place;
    return place < 0.0 ? 0.0 : place > 1.0 ? 1.0 : place;
  }
};

struct LogScale {
  double threshold;
  double other;

  double operator()(Maybe<double> x) const {
    return x.has && x.value > threshold && x.value > 0.0 ? strictmath::log10(x.value) : other;
  }
};

inline double signed_log1p(double x) { return std::copysign(strictmath::log1p(std::fabs(x)), x); }

// Sine and cosine of a place on a circle.
inline void cyclic(double x, double period, ListOut<double>& out) {
  const double angle = 0x1.921fb54442d18p+2 * (x / period);  // 2 pi
  out.push(strictmath::sin(angle));
  out.push(strictmath::cos(angle));
}

}  // namespace feat::normalise
