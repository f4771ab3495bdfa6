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

// Row by row from the second or the third argument, of any type. Null: an absent condition is false.
Column choose(const Call& call);
// Row by row the first argument that is not null, of any type.
Column coalesce(const Call& call);

}  // namespace feat::logic
