// Bodies of featdsl/operators/set.py.
#pragma once

#include <algorithm>
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

template <class T>
double containment(const ListIn<T>& a, const ListIn<T>& b) {
  if (a.empty()) return 0;
  const Overlap found = overlap(a, b);
  return static_cast<double>(found.both) / static_cast<double>(found.in_a);
}

// The values of `list` as a set, the thread's.
template <class T>
const ValueSet<T>& values_of(const ListIn<T>& list) {
  thread_local ValueSet<T> values;
  values.clear(list.size());
  for (const T value : list) values.insert(value);
  return values;
}

// The distinct values of `a` of which `b` has the same, or none.
template <class T>
void picked(const ListIn<T>& a, const ListIn<T>& b, bool in_b, ListOut<T>& out) {
  thread_local ValueSet<T> seen;
  const ValueSet<T>& known = values_of(b);
  seen.clear(a.size());
  for (const T value : a) {
    if ((known.find(value) >= 0) == in_b && seen.insert(value).fresh) out.push(value);
  }
}

template <class T>
void among(const ListIn<T>& list, const ListIn<T>& values, ListOut<bool>& out) {
  const ValueSet<T>& known = values_of(values);
  for (const T value : list) out.push(known.find(value) >= 0);
}

template <class T>
int64_t max_count(const ListIn<T>& a, const ListIn<T>& b) {
  thread_local ValueSet<T> values;
  std::vector<int64_t> in_a, in_b;
  values.clear(a.size());
  for (const T value : a) {
    const auto [number, fresh] = values.insert(value);
    if (fresh) in_a.push_back(0);
    ++in_a[static_cast<size_t>(number)];
  }
  in_b.assign(in_a.size(), 0);
  for (const T value : b) {
    const int64_t number = values.find(value);
    if (number >= 0) ++in_b[static_cast<size_t>(number)];
  }
  int64_t total = 0;
  for (size_t k = 0; k < in_a.size(); ++k) total += in_b[k] == 0 ? 0 : std::max(in_a[k], in_b[k]);
  return total;
}

template <class T>
bool is_equal(const ListIn<T>& a, const ListIn<T>& b) {
  if (a.size() != b.size()) return false;
  for (int64_t k = 0; k < a.size(); ++k) {
    if (!same_value<T>(a[k], b[k])) return false;
  }
  return true;
}

template <class T>
bool contains_in_order(const ListIn<T>& list, const ListIn<T>& part) {
  int64_t found = 0;
  for (int64_t k = 0; k < list.size() && found < part.size(); ++k) found += same_value<T>(list[k], part[found]) ? 1 : 0;
  return found == part.size();
}

}  // namespace feat::set
