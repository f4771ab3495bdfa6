// Bodies of featdsl/operators/statistics.py.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/value_set.h"
#include "engine/strictmath.h"

namespace feat::statistics {

inline int64_t plus(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
inline double plus(double a, double b) { return a + b; }

inline int64_t prod(const ListIn<int64_t>& list) {
  uint64_t total = 1;
  for (const int64_t value : list) total *= static_cast<uint64_t>(value);
  return static_cast<int64_t>(total);
}

inline double prod(const ListIn<double>& list) {
  double total = 1;
  for (const double value : list) total *= value;
  return total;
}

template <class T>
void cumulative_sum(const ListIn<T>& list, ListOut<T>& out) {
  T total = 0;
  for (const T value : list) {
    total = plus(total, value);
    out.push(total);
  }
}

// How often each distinct value is there, in the order in which they come; `first[k]` is where value k stands first.
struct Counts {
  std::vector<int64_t> counts, first;
};

template <class T>
const Counts& counted(const ListIn<T>& list) {
  thread_local ValueSet<T> known;
  thread_local Counts found;
  known.clear(list.size());
  found.counts.clear();
  found.first.clear();
  for (int64_t k = 0; k < list.size(); ++k) {
    const auto [number, fresh] = known.insert(list[k]);
    if (fresh) {
      found.counts.push_back(0);
      found.first.push_back(k);
    }
    ++found.counts[static_cast<size_t>(number)];
  }
  return found;
}

// Where the value stands first that is there most often.
template <class T>
int64_t place_of_mode(const ListIn<T>& list) {
  const Counts& found = counted(list);
  const auto most = std::max_element(found.counts.begin(), found.counts.end());
  return found.first[static_cast<size_t>(most - found.counts.begin())];
}

template <class T>
double entropy(const ListIn<T>& list) {
  double total = 0;
  for (const int64_t count : counted(list).counts) {
    const double part = static_cast<double>(count) / static_cast<double>(list.size());
    total += -part * strictmath::log(part);
  }
  return total;
}

// Maps made of a list of keys, in the order in which they come, from the distinct ones' `values`.
template <class K, class V, class Values>
Column keyed(const Call& call, Values values_of) {
  const Argument& keys = call.arguments[0];
  Growing<int32_t> places(call.arena);
  Collector<V> values(call.arena);
  auto* offsets = call.arena.take<int32_t>(call.rows + 1);
  bool any_null = false;
  for (const Argument& argument : call.arguments) any_null |= argument.column->valid != nullptr;
  auto* valid = any_null ? call.arena.take<uint8_t>(call.rows) : nullptr;
  offsets[0] = 0;
  for (int64_t i = 0; i < call.rows; ++i) {
    bool here = true;
    for (const Argument& argument : call.arguments) here &= argument.is_valid(i);
    if (valid != nullptr) valid[i] = here;
    if (here) {
      const ListIn<K> list = Reader<ListIn<K>>(*keys.column)(keys.row(i));
      const Counts& found = counted(list);
      for (const int64_t place : found.first) places.push(static_cast<int32_t>(list.start() + place));
      values_of(i, list, found, values);
    }
    offsets[i + 1] = checked_offset(places.size());
  }
  auto* children = call.arena.take<Column>(2);
  children[0] = gather(*keys.column->child, places.data(), places.size(), call.arena);
  children[1] = values.finish();
  Column map;
  map.layout = Layout::Map;
  map.length = call.rows;
  map.valid = valid;
  map.offsets = offsets;
  map.child = children;
  return map;
}

template <class K>
Column value_counts(const Call& call) {
  return keyed<K, int64_t>(call, [](int64_t, const ListIn<K>&, const Counts& found, Collector<int64_t>& out) {
    for (const int64_t count : found.counts) out.append(count);
  });
}

template <class K, class V>
Column sum_by(const Call& call) {
  const Argument& values = call.arguments[1];
  ValueSet<K> known;
  std::vector<V> sums;
  return keyed<K, V>(call, [&](int64_t i, const ListIn<K>& keys, const Counts& found, Collector<V>& out) {
    const ListIn<V> added = Reader<ListIn<V>>(*values.column)(values.row(i));
    if (added.size() != keys.size()) throw EngineError("keys and values beside each other that are not equally many");
    known.clear(keys.size());
    sums.assign(found.counts.size(), V{});
    for (int64_t k = 0; k < keys.size(); ++k) {
      V& sum = sums[static_cast<size_t>(known.insert(keys[k]).number)];
      sum = plus(sum, added[k]);
    }
    for (const V sum : sums) out.append(sum);
  });
}

inline void histogram(const std::vector<double>& edges, const ListIn<double>& list, ListOut<int64_t>& out) {
  std::vector<int64_t> counts(edges.size() + 1, 0);
  for (const double value : list) {
    const auto above = value == value ? std::upper_bound(edges.begin(), edges.end(), value) : edges.begin();
    ++counts[static_cast<size_t>(above - edges.begin())];
  }
  for (const int64_t count : counts) out.push(count);
}

inline Maybe<double> ew_mean(double alpha, const ListIn<double>& list) {
  if (list.empty()) return {};
  double total = 0, weight = 0;
  for (const double value : list) {
    total = total * (1.0 - alpha) + value;
    weight = weight * (1.0 - alpha) + 1.0;
  }
  return total / weight;
}

inline Maybe<double> drawdown(const ListIn<double>& list) {
  if (list.empty()) return {};
  double peak = list[0], worst = 0;
  for (const double value : list) {
    peak = value > peak ? value : peak;
    if (peak > 0 && (peak - value) / peak > worst) worst = (peak - value) / peak;
  }
  return worst;
}

}  // namespace feat::statistics
