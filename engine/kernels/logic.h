// Bodies of featdsl/operators/logic.py.
#pragma once

#include "engine/kernel.h"

namespace feat::logic {

inline Maybe<bool> both(Maybe<bool> a, Maybe<bool> b) {
  const bool is_false = (a.has & !a.value) | (b.has & !b.value);
  Maybe<bool> result;
  result.value = !is_false;
  result.has = is_false | (a.has & b.has);
  return result;
}

inline Maybe<bool> either(Maybe<bool> a, Maybe<bool> b) {
  const bool is_true = (a.has & a.value) | (b.has & b.value);
  Maybe<bool> result;
  result.value = is_true;
  result.has = is_true | (a.has & b.has);
  return result;
}

// As values are identified in lists: NaN is one value, -0.0 is 0.0.
template <class T>
bool same(T a, T b) {
  if constexpr (std::is_same_v<T, double>) return a == b || (a != a && b != b);
  return a == b;
}

template <class T>
bool holds(const ListIn<T>& values, T wanted) {
  for (T value : values) {
    if (same(value, wanted)) return true;
  }
  return false;
}

// Row by row from the second or the third argument, of any type. Null: an absent condition is false.
Column choose(const Call& call);
// Row by row the first argument that is not null, of any type.
Column coalesce(const Call& call);

}  // namespace feat::logic
