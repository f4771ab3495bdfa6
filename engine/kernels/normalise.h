// Bodies of featdsl/operators/normalise.py.
#pragma once

#include "engine/kernel.h"

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

}  // namespace feat::normalise
