// Bodies of featdsl/operators/math.py: one row, no nulls unless said. Nothing here traps or overflows.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/kernel.h"
#include "engine/kernels/decimal.h"
#include "engine/rows_many.h"
#include "engine/strictmath.h"
#include "engine/strictmath_hyperbolic.h"
#include "engine/strictmath_many.h"

namespace feat::math {

// int64 arithmetic that wraps.
inline int64_t add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline int64_t subtract(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
inline int64_t multiply(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}
inline int64_t negate(int64_t x) { return subtract(0, x); }
inline int64_t abs(int64_t x) { return x < 0 ? negate(x) : x; }

// Null where the divisor is 0. Rows that are null may hold anything.
inline Column divide(const Call& call) {
  const Argument &a = call.arguments[0], &b = call.arguments[1];
  const double *dividends = a.column->as<double>(), *divisors = b.column->as<double>();
  auto* out = call.arena.take<double>(call.rows);
  bool any_zero = false;
  if (a.rows == nullptr && b.rows == nullptr) {
    any_zero = divide_rows(dividends, a.step, divisors, b.step, call.rows, out);
  } else {
    for (int64_t i = 0; i < call.rows; ++i) {
      out[i] = dividends[a.row(i)] / divisors[b.row(i)];
      any_zero |= divisors[b.row(i)] == 0.0;
    }
  }
  uint8_t* valid = nullptr;
  if (any_zero || a.column->valid != nullptr || b.column->valid != nullptr) {
    valid = call.arena.take<uint8_t>(call.rows);
    for (int64_t i = 0; i < call.rows; ++i) {
      valid[i] = static_cast<uint8_t>(a.is_valid(i) & b.is_valid(i) & (divisors[b.row(i)] != 0.0));
    }
  }
  Column column;
  column.layout = Layout::F64;
  column.length = call.rows;
  column.valid = valid;
  column.data = out;
  return column;
}

// Division by -1 is apart because the processor traps on the smallest int64 by -1.
inline Maybe<int64_t> floor_divide(int64_t a, int64_t b) {
  if (b == 0) return {};
  if (b == -1) return negate(a);
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

inline Maybe<int64_t> modulo(int64_t a, int64_t b) {
  if (b == 0) return {};
  if (b == -1) return int64_t{0};
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// Null for a NaN that did not come in with the arguments, and where a pole is (as 1/0).
inline Maybe<double> pow(double a, double b) {
  if (a == 0.0 && b < 0.0) return {};
  const double power = strictmath::pow(a, b);
  if (power != power && a == a && b == b) return {};
  return power;
}

inline Maybe<double> sqrt(double x) {
  if (x < 0.0) return {};
  return std::sqrt(x);
}

inline Maybe<double> log(double x) {
  if (x <= 0.0) return {};
  return strictmath::log(x);
}

// One dense argument; null where there is no logarithm.
inline Column log1p(const Call& call) {
  const Column& values = *call.arguments[0].column;
  const double* x = values.as<double>();
  auto* out = call.arena.take<double>(call.rows);
  strictmath::log1p(x, call.rows, out);
  Column column = values;
  column.length = call.rows;
  column.data = out;
  bool any_outside = false;
  for (int64_t i = 0; i < call.rows; ++i) any_outside |= x[i] <= -1.0;
  if (!any_outside) return column;
  auto* valid = call.arena.take<uint8_t>(call.rows);
  for (int64_t i = 0; i < call.rows; ++i) {
    valid[i] = static_cast<uint8_t>(values.is_valid(i) & !(x[i] <= -1.0));
    out[i] = valid[i] ? out[i] : 0.0;
  }
  column.valid = valid;
  return column;
}

// n for 2 to the n, so that rounding of the quotient is not seen there.
inline Maybe<double> log2(double x) {
  if (x <= 0.0) return {};
  const double found = strictmath::log(x) / 0x1.62e42fefa39efp-1;
  if (!(std::fabs(found) <= 1100.0)) return found;
  const double whole = std::floor(found + 0.5);
  return strictmath::pow(2.0, whole) == x ? whole : found;
}

inline Maybe<double> log10(double x) {
  if (x <= 0.0) return {};
  return strictmath::log10(x);
}

template <class T>
int64_t sign(T x) {
  return x > 0 ? 1 : x < 0 ? -1 : 0;
}

inline double sigmoid(double x) { return 1.0 / (1.0 + strictmath::exp(-x)); }

// Halves away from zero; floor(x + 0.5) would be wrong next to a half and above 2^52.
inline double round(double x) {
  const double whole = std::trunc(x);
  const double size = std::fabs(whole);
  return std::copysign(std::fabs(x - whole) >= 0.5 ? size + 1.0 : size, x);
}

// Halves to the even one, whatever rounding the process has set: a floor, and one more where that is nearer.
inline double rint(double x) {
  const double down = std::floor(x);
  const double rest = x - down;
  const double half = 0.5 * down;
  const bool up = rest > 0.5 || (rest == 0.5 && half != std::floor(half));
  return std::copysign(up ? down + 1.0 : down, x);
}

// To `digits` places after the point; without digits to a whole number.
struct Rounding {
  int digits = -1;
  double operator()(double x) const { return digits < 0 ? math::round(x) : decimal::rounded(x, digits); }
};

template <class T>
T clip(T x, T low, T high) {
  return x < low ? low : x > high ? high : x;
}

template <class T>
T lesser(T a, T b) {
  return b < a ? b : a;
}

template <class T>
T greater(T a, T b) {
  return b > a ? b : a;
}

// Folds from the left with `choose(best, next)`; `values` is a ListIn or a Variadic. Null when empty.
template <class T, class Values>
Maybe<T> fold(const Values& values, T (*choose)(T, T)) {
  bool first = true;
  T best{};
  for (T value : values) {
    best = first ? value : choose(best, value);
    first = false;
  }
  if (first) return {};
  return best;
}

}  // namespace feat::math
