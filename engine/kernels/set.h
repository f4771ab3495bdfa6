// Bodies of featdsl/operators/set.py.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/value_set.h"

namespace feat::set {

enum class Side : uint8_t { A, B };

// Which list of an argument's was seen last in this run of the kernel.
struct LastList {
  uint64_t run = ~uint64_t{0};
  int64_t start = 0;
  int64_t size = 0;

  // Whether it is this one, which it is from now on.
  template <class T>
  bool is(const ListIn<T>& list) {
    const LastList now{kernel_run(), list.start(), list.size()};
    const bool same = run == now.run && start == now.start && size == now.size;
    *this = now;
    return same;
  }
};

// The values of a list of this side as a set, the thread's: made once for a list that stands beside many.
template <class T, Side side>
const ValueSet<T>& values_of(const ListIn<T>& list) {
  thread_local ValueSet<T> values;
  thread_local LastList last;
  if (last.is(list)) return values;
  values.clear(list.size());
  for (const T value : list) values.insert(value);
  return values;
}

// Whether the list `b` is that of the call before, and long beside `a`: then `a` is looked up in it.
template <class T>
bool stays(const ListIn<T>& a, const ListIn<T>& b) {
  thread_local LastList last;
  return last.is(b) && b.size() > a.size();
}

template <class T>
int64_t distinct_count(const ListIn<T>& list) {
  thread_local ValueSet<T> values;
  values.clear(list.size());
  for (const T value : list) values.insert(value);
  return values.size();
}

// How many of the set's values the list has.
template <class T>
int64_t count_common(const ValueSet<T>& values, const ListIn<T>& list) {
  thread_local std::vector<uint8_t> counted;  // all 0 between two calls
  thread_local std::vector<int64_t> marked;
  if (counted.size() < static_cast<size_t>(values.size())) counted.resize(static_cast<size_t>(values.size()), 0);
  marked.clear();
  for (const T value : list) {
    const int64_t number = values.find(value);
    if (number < 0 || counted[static_cast<size_t>(number)] != 0) continue;
    counted[static_cast<size_t>(number)] = 1;
    marked.push_back(number);
  }
  for (const int64_t number : marked) counted[static_cast<size_t>(number)] = 0;
  return static_cast<int64_t>(marked.size());
}

// How many distinct values are in both lists, and how many in each.
struct Overlap {
  int64_t both;
  int64_t in_a;
  int64_t in_b;
};

template <class T>
Overlap overlap(const ListIn<T>& a, const ListIn<T>& b) {
  if (stays(a, b)) {
    const ValueSet<T>& values = values_of<T, Side::B>(b);
    return {count_common(values, a), distinct_count(a), values.size()};
  }
  const ValueSet<T>& values = values_of<T, Side::A>(a);
  return {count_common(values, b), values.size(), distinct_count(b)};
}

template <class T>
int64_t overlap_count(const ListIn<T>& a, const ListIn<T>& b) {
  if (a.empty() || b.empty()) return 0;
  return stays(a, b) ? count_common(values_of<T, Side::B>(b), a) : count_common(values_of<T, Side::A>(a), b);
}

template <class T>
double jaccard(const ListIn<T>& a, const ListIn<T>& b) {
  const Overlap found = overlap(a, b);
  const int64_t either = found.in_a + found.in_b - found.both;
  return either == 0 ? 0.0 : static_cast<double>(found.both) / static_cast<double>(either);
}

template <class T>
double containment(const ListIn<T>& a, const ListIn<T>& b) {
  if (a.empty()) return 0;
  const bool held = stays(a, b);
  const int64_t in_a = held ? distinct_count(a) : values_of<T, Side::A>(a).size();
  const int64_t both = held ? count_common(values_of<T, Side::B>(b), a) : count_common(values_of<T, Side::A>(a), b);
  return static_cast<double>(both) / static_cast<double>(in_a);
}

// The distinct values of `a` of which `b` has the same, or none.
template <class T>
void picked(const ListIn<T>& a, const ListIn<T>& b, bool in_b, ListOut<T>& out) {
  thread_local ValueSet<T> seen;
  const ValueSet<T>& known = values_of<T, Side::B>(b);
  seen.clear(a.size());
  for (const T value : a) {
    if ((known.find(value) >= 0) == in_b && seen.insert(value).fresh) out.push(value);
  }
}

template <class T>
void among(const ListIn<T>& list, const ListIn<T>& values, ListOut<bool>& out) {
  const ValueSet<T>& known = values_of<T, Side::B>(values);
  for (const T value : list) out.push(known.find(value) >= 0);
}

// The values of a list, and how often each is there.
template <class T>
struct Counts {
  ValueSet<T> values;
  std::vector<int64_t> often;

  void count(const ListIn<T>& list) {
    values.clear(list.size());
    often.clear();
    for (const T value : list) {
      const auto [number, fresh] = values.insert(value);
      if (fresh) often.push_back(0);
      ++often[static_cast<size_t>(number)];
    }
  }
};

template <class T, Side side>
const Counts<T>& counts_of(const ListIn<T>& list) {
  thread_local Counts<T> counts;
  thread_local LastList last;
  if (!last.is(list)) counts.count(list);
  return counts;
}

template <class T>
int64_t max_count(const ListIn<T>& a, const ListIn<T>& b) {
  thread_local Counts<T> beside;
  const bool held = stays(a, b);
  const Counts<T>& counts = held ? counts_of<T, Side::B>(b) : counts_of<T, Side::A>(a);
  beside.count(held ? a : b);
  int64_t total = 0;
  for (int64_t k = 0; k < beside.values.size(); ++k) {
    const int64_t number = counts.values.find(beside.values[k]);
    if (number >= 0) total += std::max(counts.often[static_cast<size_t>(number)], beside.often[static_cast<size_t>(k)]);
  }
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
