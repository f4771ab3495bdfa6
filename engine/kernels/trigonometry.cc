#include "engine/kernel.h"
#include "engine/strictmath_hyperbolic.h"
#include "engine/strictmath_trig.h"

namespace feat {

namespace {

// Null outside -1 to 1; a NaN goes through.
Maybe<double> arc(double x, double (*function)(double)) {
  if (x < -1.0 || x > 1.0) return {};
  return function(x);
}

}  // namespace

void register_trigonometry(Registry& r) {
  r.add("sin", [](double x) -> double { return strictmath::sin(x); });
  r.add("cos", [](double x) -> double { return strictmath::cos(x); });
  r.add("tan", [](double x) -> double { return strictmath::tan(x); });
  r.add("asin", [](double x) -> Maybe<double> { return arc(x, strictmath::asin); });
  r.add("acos", [](double x) -> Maybe<double> { return arc(x, strictmath::acos); });
  r.add("atan", [](double x) -> double { return strictmath::atan(x); });
  r.add("atan2", [](double y, double x) -> double { return strictmath::atan2(y, x); });
  r.add("hypot", [](double x, double y) -> double { return strictmath::hypot(x, y); });
  r.add("sinh", [](double x) -> double { return strictmath::sinh(x); });
  r.add("cosh", [](double x) -> double { return strictmath::cosh(x); });
  r.add("tanh", [](double x) -> double { return strictmath::tanh(x); });
}

}  // namespace feat
