// Bodies of featdsl/operators/map.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/value_set.h"
#include "engine/same_text.h"

namespace feat::map {

// Where a key stands among the keys of a map (or the terms of a list). Few are searched through, and many until they
// were searched often. Of equal keys the last one counts.
template <class K>
class Places {
 public:
  void look_in(const ListIn<K>& keys) {
    keys_ = keys;
    searches_ = 0;
    indexed_ = false;
  }

  // The position of a key, or -1.
  int64_t find(const K& key) {
    if (!indexed_) {
      if (keys_.size() <= kFew || ++searches_ <= kSearches) return search(key);
      index();
    }
    const int64_t number = set_.find(key);
    return number < 0 ? -1 : place_[static_cast<size_t>(number)];
  }

 private:
  static constexpr int64_t kFew = 8;
  static constexpr int kSearches = 4;

  int64_t search(const K& key) const {
    for (int64_t i = keys_.size() - 1; i >= 0; --i) {
      if (keys_[i] == key) return i;
    }
    return -1;
  }
  void index() {
    indexed_ = true;
    set_.clear(keys_.size());
    place_.clear();
    for (int64_t i = 0; i < keys_.size(); ++i) {
      const auto place = set_.insert(keys_[i]);
      if (place.fresh) place_.push_back(i);
      place_[static_cast<size_t>(place.number)] = i;
    }
  }

  ListIn<K> keys_;
  int searches_ = 0;
  bool indexed_ = false;
  ValueSet<K> set_;
  std::vector<int64_t> place_;
};

template <class K>
Places<K>& places_in(const ListIn<K>& keys) {
  thread_local Places<K> places;
  places.look_in(keys);
  return places;
}

// Finds keys in the maps of a column, whatever their values are.
template <class K>
class Finder {
 public:
  explicit Finder(const Column& maps) : extents_(maps), keys_(maps.child[0]) {}
  // The entry of a key, counted through all rows; -1 if the map of that row has no such key.
  int64_t find(int64_t row, const K& key) {
    if (row != row_) {
      row_ = row;
      places_.look_in({keys_, extents_.start(row), extents_.size(row)});
    }
    const int64_t place = places_.find(key);
    return place < 0 ? -1 : extents_.start(row) + place;
  }

 private:
  Extents extents_;
  Reader<K> keys_;
  int64_t row_ = -1;
  Places<K> places_;
};

// One map of texts beside many rows of keys, as a user's is beside the items: each of its keys is looked for among the
// rows, and not each row's key in the map.
class RowsOfKeys {
 public:
  // Fewer rows than these do not pay; of more, the table would not stay in the cache.
  static constexpr int64_t kFew = 4, kMany = 1 << 16;

  // Whether a map of so many keys, with those of the maps in it, is worth it, and `keys` are such as can be taken.
  static bool suits(int64_t rows, const Argument& map, std::initializer_list<const Argument*> keys, int64_t map_keys) {
    if (!map.is_same() || rows <= kFew || rows > kMany || map_keys > 16 * rows) return false;
    return std::ranges::all_of(
        keys, [&](const Argument* one) { return one->is_same() || (one->is_dense() && one->column->length == rows); });
  }

  // `keys`: dense, or the same in all rows.
  RowsOfKeys(const Argument& keys, const Call& call)
      : keys_(keys), rows_(call.codes.rows_of(*keys.column)), call_rows_(call.rows) {}

  // A row of the keys' column with this key, -1 where there is none; null rows are found as empty texts.
  int32_t first(std::string_view key) const { return rows_.first(key); }
  // The rows of the call with the key of a row of the column.
  int64_t count(int32_t of) const { return keys_.is_same() ? call_rows_ : rows_.count(of); }
  template <class Found>
  void each(int32_t of, Found found) const {
    if (keys_.is_same()) {
      if (!keys_.is_valid(0)) return;
      for (int64_t row = 0; row < call_rows_; ++row) found(row);
      return;
    }
    for (int32_t row = of; row != TextRows::kNone; row = rows_.next(row)) {
      if (keys_.is_valid(row)) found(int64_t{row});
    }
  }
  bool has(int64_t row, int32_t key_of) const {
    return keys_.is_valid(row) && rows_.group(keys_.row(row)) == rows_.group(key_of);
  }

 private:
  const Argument& keys_;
  const TextRows& rows_;
  const int64_t call_rows_;
};

// Calls found(row, entry) for each row whose key is that of an entry of the map; of equal keys the last one last.
template <class Found>
void each_found(const Column& map, const RowsOfKeys& keys, Found found) {
  const Column& texts = map.child[0];
  const auto end = static_cast<int32_t>(map.start(1));
  for (auto entry = static_cast<int32_t>(map.start(0)); entry < end; ++entry) {
    const int32_t row = keys.first(texts.text(entry));
    if (row != TextRows::kNone) keys.each(row, [&](int64_t i) { found(i, entry); });
  }
}

// The same of a map of maps: for each row with both keys of an entry of an inner map.
template <class Found>
void each_pair_found(const Column& map, const RowsOfKeys& keys, const RowsOfKeys& inner_keys, Found found) {
  // By a row of the outer keys: whether a map with its key was seen in this map of maps.
  thread_local std::vector<uint64_t> seen;
  thread_local uint64_t seen_in = 0;
  const Column& texts = map.child[0];
  const Column& inner = map.child[1];
  ++seen_in;
  for (int64_t outer = map.start(1) - 1; outer >= map.start(0); --outer) {  // of equal keys the last one counts
    const int32_t row = keys.first(texts.text(outer));
    if (row == TextRows::kNone) continue;
    if (static_cast<size_t>(row) >= seen.size()) seen.resize(static_cast<size_t>(row) + 1);
    if (std::exchange(seen[static_cast<size_t>(row)], seen_in) == seen_in) continue;
    for (auto entry = static_cast<int32_t>(inner.start(outer)); entry < inner.start(outer + 1); ++entry) {
      const int32_t inner_row = inner_keys.first(inner.child[0].text(entry));
      if (inner_row == TextRows::kNone) continue;
      // The fewer rows of the two.
      if (inner_keys.count(inner_row) <= keys.count(row)) {
        inner_keys.each(inner_row, [&](int64_t i) {
          if (keys.has(i, row)) found(i, entry);
        });
      } else {
        keys.each(row, [&](int64_t i) {
          if (inner_keys.has(i, inner_row)) found(i, entry);
        });
      }
    }
  }
}

// Makes one number of many, left to right.
class Combiner {
 public:
  enum class Kind : uint8_t { Sum, Mean, Min, Max, First };
  static Kind kind_of(std::string_view name) {
    if (name == "sum") return Kind::Sum;
    if (name == "mean") return Kind::Mean;
    if (name == "min") return Kind::Min;
    if (name == "max") return Kind::Max;
    if (name == "first") return Kind::First;
    throw EngineError("there is no combiner `" + std::string(name.substr(0, 80)) + "`");
  }

  explicit Combiner(Kind kind) : kind_(kind) {}
  void add(double value) {
    const bool first = count_++ == 0;
    switch (kind_) {
      case Kind::Sum:
      case Kind::Mean:
        result_ += value;
        break;
      case Kind::Min:
        if (first || value < result_) result_ = value;
        break;
      case Kind::Max:
        if (first || value > result_) result_ = value;
        break;
      case Kind::First:
        if (first) result_ = value;
        break;
    }
  }
  Maybe<double> result() const {
    if (count_ == 0) return {};
    return kind_ == Kind::Mean ? result_ / static_cast<double>(count_) : result_;
  }

 private:
  Kind kind_;
  double result_ = 0.0;
  int64_t count_ = 0;
};

// Of one value: a sum begins at 0.0, so that of -0.0 is 0.0.
inline double combined_one(Combiner::Kind kind, double value) {
  Combiner combiner(kind);
  combiner.add(value);
  return combiner.result().value;
}

struct Many {
  explicit Many(const Attributes& attributes) : kind(Combiner::kind_of(attributes.text("combiner"))) {
    if (attributes.has("default")) otherwise = attributes.number("default");
  }
  Combiner::Kind kind;
  Maybe<double> otherwise;
};

template <class K>
Maybe<double> get_many(const Many& many, const MapIn<K, double>& map, const ListIn<K>& keys) {
  Places<K>& places = places_in(map.keys());
  Combiner combiner(many.kind);
  for (const K& key : keys) {
    const int64_t at = places.find(key);
    if (at >= 0) combiner.add(map.values()[at]);
  }
  const Maybe<double> result = combiner.result();
  return result.has ? result : many.otherwise;
}

struct Wild {
  explicit Wild(const Attributes& attributes) : given(attributes.has("wildcard")) {
    if (!given) return;
    kind = Combiner::kind_of(attributes.text("combiner"));
    wildcard = attributes.text("wildcard");
  }
  bool is(std::string_view key) const { return given && key == wildcard; }
  bool is(int64_t) const { return false; }
  bool given;
  Combiner::Kind kind = Combiner::Kind::Sum;
  std::string wildcard;
};

// All values that match, where one of the keys is the wildcard.
template <class K, class L>
Maybe<double> match(const Wild& wild, const MapIn<K, MapIn<L, double>>& map, const K& key, const L& inner_key) {
  Combiner combiner(wild.kind);
  for (int64_t i = 0; i < map.size(); ++i) {
    if (!wild.is(key) && map.keys()[i] != key) continue;
    const MapIn<L, double> inner = map.values()[i];
    for (int64_t k = 0; k < inner.size(); ++k) {
      if (wild.is(inner_key) || inner.keys()[k] == inner_key) combiner.add(inner.values()[k]);
    }
  }
  return combiner.result();
}

// Of a bare list each distinct term counts 1.0.
template <class K>
const ListIn<K>& terms(const MapIn<K, double>& map) {
  return map.keys();
}
template <class K>
const ListIn<K>& terms(const ListIn<K>& list) {
  return list;
}
template <class K>
double weight(const MapIn<K, double>& map, int64_t i) {
  return map.values()[i];
}
template <class K>
double weight(const ListIn<K>&, int64_t) {
  return 1.0;
}

template <class K, class A, class B>
double kv_dot(const A& a, const B& b) {
  Places<K>& places = places_in(terms(b));
  thread_local ValueSet<K> seen;
  constexpr bool bare = std::is_same_v<A, ListIn<K>>;
  if (bare) seen.clear(terms(a).size());
  double total = 0.0;
  for (int64_t i = 0; i < terms(a).size(); ++i) {
    const K key = terms(a)[i];
    if (bare && !seen.insert(key).fresh) continue;
    const int64_t at = places.find(key);
    if (at >= 0) total += weight(a, i) * weight(b, at);
  }
  return total;
}

template <class V>
bool ranks_before(V a, V b) {
  if constexpr (std::is_same_v<V, double>) {
    if (std::isnan(a)) return false;
    return std::isnan(b) || a > b;
  } else {
    return a > b;
  }
}

template <class K, class V>
void top_keys(int64_t n, const MapIn<K, V>& map, ListOut<K>& out) {
  thread_local std::vector<int64_t> order;
  order.resize(static_cast<size_t>(map.size()));
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(n, map.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](int64_t a, int64_t b) {
    const V first = map.values()[a], second = map.values()[b];
    if (ranks_before(first, second)) return true;
    return !ranks_before(second, first) && a < b;
  });
  for (auto at = order.begin(); at != end; ++at) out.push(map.keys()[*at]);
}

enum class Merging : uint8_t { Sum, Min, Max };

template <class V>
V merged(Merging how, V a, V b) {
  if (how == Merging::Min) return b < a ? b : a;
  if (how == Merging::Max) return b > a ? b : a;
  if constexpr (std::is_same_v<V, double>) {
    return a + b;
  } else {
    return static_cast<V>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  }
}

}  // namespace feat::map
