// Bodies of featdsl/operators/set.py.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/value_set.h"

namespace feat::set {

// How many distinct values are in both lists, and how many in `a`.
struct Overlap {
  int64_t both;
  int64_t in_a;
};

template <class T>
Overlap overlap(const ListIn<T>& a, const ListIn<T>& b) {
  thread_local ValueSet<T> values;
  thread_local std::vector<uint8_t> counted;
  values.clear(a.size());
  for (const T value : a) values.insert(value);
  counted.assign(static_cast<size_t>(values.size()), 0);
  int64_t both = 0;
  for (const T value : b) {
    const int64_t number = values.find(value);
    if (number < 0) continue;
    uint8_t& known = counted[static_cast<size_t>(number)];
    both += 1 - known;
    known = 1;
  }
  return {both, values.size()};
}

template <class T>
int64_t distinct_count(const ListIn<T>& list) {
  thread_local ValueSet<T> values;
  values.clear(list.size());
  for (const T value : list) values.insert(value);
  return values.size();
}

template <class T>
int64_t overlap_count(const ListIn<T>& a, const ListIn<T>& b) {
  return a.empty() || b.empty() ? 0 : overlap(a, b).both;
}

template <class T>
double jaccard(const ListIn<T>& a, const ListIn<T>& b) {
  const Overlap found = overlap(a, b);
  const int64_t either = found.in_a + distinct_count(b) - found.both;
  return either == 0 ? 0.0 : static_cast<double>(found.both) / static_cast<double>(either);
}

}  // namespace feat::set
