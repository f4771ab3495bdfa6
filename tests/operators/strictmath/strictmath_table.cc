// As StrictMathTable.java, from engine/strictmath.h; doubles in the machine's byte order.
#include <cstdio>
#include <vector>

#include "engine/strictmath.h"
#include "engine/strictmath_hyperbolic.h"
#include "engine/strictmath_trig.h"

int main() {
  double pair[2];
  std::vector<double> out;
  while (std::fread(pair, sizeof(double), 2, stdin) == 2) {
    namespace sm = feat::strictmath;
    const auto [x, y] = pair;
    out.insert(out.end(), {sm::exp(x), sm::log(x), sm::log1p(x), sm::pow(x, y), sm::expm1(x), sm::log10(x), sm::sinh(x),
                           sm::cosh(x), sm::tanh(x), sm::cbrt(x), sm::hypot(x, y), sm::sin(x), sm::cos(x), sm::tan(x),
                           sm::asin(x), sm::acos(x), sm::atan(x), sm::atan2(x, y)});
  }
  return std::fwrite(out.data(), sizeof(double), out.size(), stdout) == out.size() ? 0 : 1;
}
