#include "engine/kernels/math.h"

namespace feat {

namespace {

template <class T>
void register_choice(Registry& r, std::string_view name, T (*choose)(T, T)) {
  r.add(name, [choose](ListIn<T> values) -> Maybe<T> { return math::fold<T>(values, choose); });
  r.add(name, [](T value) -> T { return value; });
  r.add(name, [choose](T a, T b) -> T { return choose(a, b); });
  r.add(name, [choose](Variadic<T> values) -> T { return math::fold<T>(values, choose).value; });
}

void register_arithmetic(Registry& r) {
  r.add("add", [](int64_t a, int64_t b) -> int64_t { return math::add(a, b); });
  r.add("add", [](double a, double b) -> double { return a + b; });
  r.add("subtract", [](int64_t a, int64_t b) -> int64_t { return math::subtract(a, b); });
  r.add("subtract", [](double a, double b) -> double { return a - b; });
  r.add("multiply", [](int64_t a, int64_t b) -> int64_t { return math::multiply(a, b); });
  r.add("multiply", [](double a, double b) -> double { return a * b; });
  r.add_column("divide(f64,f64)->f64?", math::divide);
  r.add("floor_divide", [](int64_t a, int64_t b) -> Maybe<int64_t> { return math::floor_divide(a, b); });
  r.add("modulo", [](int64_t a, int64_t b) -> Maybe<int64_t> { return math::modulo(a, b); });
  r.add("negate", [](int64_t x) -> int64_t { return math::negate(x); });
  r.add("negate", [](double x) -> double { return -x; });
  r.add("abs", [](int64_t x) -> int64_t { return math::abs(x); });
  r.add("abs", [](double x) -> double { return std::fabs(x); });
}

}  // namespace

void register_math(Registry& r) {
  register_arithmetic(r);
  register_choice<int64_t>(r, "min", math::lesser);
  register_choice<double>(r, "min", math::lesser);
  register_choice<std::string_view>(r, "min", math::lesser);
  register_choice<int64_t>(r, "max", math::greater);
  register_choice<double>(r, "max", math::greater);
  register_choice<std::string_view>(r, "max", math::greater);
  r.add("clip", [](int64_t x, int64_t low, int64_t high) -> int64_t { return math::clip(x, low, high); });
  r.add("clip", [](double x, double low, double high) -> double { return math::clip(x, low, high); });

  r.add("sign", [](int64_t x) -> int64_t { return math::sign(x); });
  r.add("sign", [](double x) -> int64_t { return math::sign(x); });
  r.add("round", [](int64_t x) -> int64_t { return x; });
  r.add(
      "round",
      [](const Attributes& a) {
        if (!a.has("digits")) return math::Rounding{};
        return math::Rounding{decimal::checked_digits(a.integer("digits"))};
      },
      [](const math::Rounding& rounding, double x) -> double { return rounding(x); });
  r.add("rint", [](int64_t x) -> int64_t { return x; });
  r.add("rint", [](double x) -> double { return math::rint(x); });
  r.add("trunc", [](int64_t x) -> int64_t { return x; });
  r.add("trunc", [](double x) -> double { return std::trunc(x); });
  r.add("floor", [](int64_t x) -> int64_t { return x; });
  r.add("floor", [](double x) -> double { return std::floor(x); });
  r.add("ceil", [](int64_t x) -> int64_t { return x; });
  r.add("ceil", [](double x) -> double { return std::ceil(x); });

  r.add("pow", [](double a, double b) -> Maybe<double> { return math::pow(a, b); });
  r.add("sqrt", [](double x) -> Maybe<double> { return math::sqrt(x); });
  r.add("exp", [](double x) -> double { return strictmath::exp(x); });
  r.add("log", [](double x) -> Maybe<double> { return math::log(x); });
  r.add_column("log1p(f64)->f64?", math::log1p, true);
  r.add("expm1", [](double x) -> double { return strictmath::expm1(x); });
  r.add("log2", [](double x) -> Maybe<double> { return math::log2(x); });
  r.add("log10", [](double x) -> Maybe<double> { return math::log10(x); });
  r.add("cbrt", [](double x) -> double { return strictmath::cbrt(x); });
  r.add("sigmoid", [](double x) -> double { return math::sigmoid(x); });
}

}  // namespace feat
