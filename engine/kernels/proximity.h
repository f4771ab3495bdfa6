// Bodies of featdsl/operators/proximity.py.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/value_set.h"

namespace feat::proximity {

constexpr int64_t kMostTerms = 64;

// For each element the number of the term that it is, else -1; `terms` numbers the distinct ones.
template <class T>
std::vector<int64_t> numbered(const ListIn<T>& list, const ListIn<T>& terms, int64_t& distinct) {
  thread_local ValueSet<T> known;
  known.clear(terms.size());
  for (const T term : terms) known.insert(term);
  distinct = known.size();
  std::vector<int64_t> numbers;
  numbers.reserve(static_cast<size_t>(list.size()));
  for (const T value : list) numbers.push_back(known.find(value));
  return numbers;
}

template <class T>
Maybe<int64_t> min_cover(const ListIn<T>& list, const ListIn<T>& terms) {
  int64_t distinct = 0, covered = 0, shortest = -1, from = 0;
  const std::vector<int64_t> numbers = numbered(list, terms, distinct);
  std::vector<int64_t> inside(static_cast<size_t>(distinct), 0);  // how often each term is in [from, to]
  for (int64_t to = 0; to < list.size(); ++to) {
    const int64_t term = numbers[static_cast<size_t>(to)];
    if (term < 0) continue;
    covered += inside[static_cast<size_t>(term)]++ == 0;
    while (covered == distinct) {
      const int64_t size = to + 1 - from;
      if (shortest < 0 || size < shortest) shortest = size;
      const int64_t first = numbers[static_cast<size_t>(from++)];
      if (first >= 0) covered -= --inside[static_cast<size_t>(first)] == 0;
    }
  }
  if (shortest < 0) return {};
  return shortest;
}

// For each pair of different terms in the list how near they come to each other.
template <class T>
std::vector<int64_t> distances(const ListIn<T>& list, const ListIn<T>& terms) {
  int64_t distinct = 0;
  const std::vector<int64_t> numbers = numbered(list, terms, distinct);
  std::vector<int64_t> place(static_cast<size_t>(distinct), -1);  // of the terms in the list, in the order of the terms
  for (const int64_t number : numbers) {
    if (number >= 0) place[static_cast<size_t>(number)] = 0;
  }
  int64_t count = 0;
  for (int64_t& term : place) {
    if (term == 0) term = count < kMostTerms ? count++ : -1;
  }
  std::vector<int64_t> last(static_cast<size_t>(count), -1);
  std::vector<int64_t> nearest(static_cast<size_t>(count * count), -1);
  for (int64_t k = 0; k < list.size(); ++k) {
    const int64_t number = numbers[static_cast<size_t>(k)];
    const int64_t term = number < 0 ? -1 : place[static_cast<size_t>(number)];
    if (term < 0) continue;
    last[static_cast<size_t>(term)] = k;
    for (int64_t other = 0; other < count; ++other) {
      const int64_t at = last[static_cast<size_t>(other)];
      if (other == term || at < 0) continue;
      int64_t& near = nearest[static_cast<size_t>(std::min(term, other) * count + std::max(term, other))];
      if (near < 0 || k - at < near) near = k - at;
    }
  }
  std::erase(nearest, -1);
  return nearest;
}

template <class T>
Maybe<int64_t> min_distance(const ListIn<T>& list, const ListIn<T>& terms) {
  const std::vector<int64_t> found = distances(list, terms);
  if (found.empty()) return {};
  return *std::min_element(found.begin(), found.end());
}

template <class T>
Maybe<int64_t> max_distance(const ListIn<T>& list, const ListIn<T>& terms) {
  const std::vector<int64_t> found = distances(list, terms);
  if (found.empty()) return {};
  return *std::max_element(found.begin(), found.end());
}

template <class T>
Maybe<double> mean_distance(const ListIn<T>& list, const ListIn<T>& terms) {
  const std::vector<int64_t> found = distances(list, terms);
  if (found.empty()) return {};
  int64_t total = 0;
  for (const int64_t distance : found) total += distance;
  return static_cast<double>(total) / static_cast<double>(found.size());
}

}  // namespace feat::proximity
