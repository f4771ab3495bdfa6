// Bodies of featdsl/operators/select.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/value_set.h"

namespace feat::select {

inline bool all_valid(const Call& call, int64_t i) {
  for (const Argument& argument : call.arguments) {
    if (!argument.is_valid(i)) return false;
  }
  return true;
}

inline bool any_null(const Call& call) {
  for (const Argument& argument : call.arguments) {
    if (argument.column->valid != nullptr) return true;
  }
  return false;
}

// Lists of elements of any type, picked from `elements`: `pick(i, out)` pushes the places of row i.
template <class Pick>
Column picked(const Call& call, const Column& elements, Pick pick) {
  Growing<int32_t> places(call.arena, elements.length);
  auto* offsets = call.arena.take<int32_t>(call.rows + 1);
  auto* valid = any_null(call) ? call.arena.take<uint8_t>(call.rows) : nullptr;
  offsets[0] = 0;
  for (int64_t i = 0; i < call.rows; ++i) {
    const bool here = valid == nullptr || all_valid(call, i);
    if (valid != nullptr) valid[i] = here;
    if (here) pick(i, places);
    offsets[i + 1] = checked_offset(places.size());
  }
  auto* child = call.arena.take<Column>(1);
  *child = gather(elements, places.data(), places.size(), call.arena);
  Column list;
  list.layout = Layout::List;
  list.length = call.rows;
  list.valid = valid;
  list.offsets = offsets;
  list.child = child;
  return list;
}

// `range(i, size)` gives the part of the list in row i that stays, as [from, to).
template <class Range>
Column part(const Call& call, Range range) {
  const Argument& lists = call.arguments[0];
  const Column& column = *lists.column;
  return picked(call, *column.child, [&](int64_t i, Growing<int32_t>& places) {
    const int64_t row = lists.row(i), start = column.start(row);
    const auto [from, to] = range(i, column.start(row + 1) - start);
    for (int64_t k = from; k < to; ++k) places.push(static_cast<int32_t>(start + k));
  });
}

// A position as Python's slices take it.
inline int64_t clamped(int64_t position, int64_t size) {
  return position < 0 ? std::max<int64_t>(position + size, 0) : std::min(position, size);
}

inline Column slice(const Call& call) {
  const auto position = [&call](size_t argument, int64_t i) {
    const Argument& positions = call.arguments[argument];
    return positions.column->as<int64_t>()[positions.row(i)];
  };
  const bool ends = call.arguments.size() > 2;
  return part(call, [&](int64_t i, int64_t size) {
    return std::pair{clamped(position(1, i), size), ends ? clamped(position(2, i), size) : size};
  });
}

inline Column take_last(const Call& call, int64_t n) {
  return part(call, [n](int64_t, int64_t size) { return std::pair{std::max<int64_t>(size - n, 0), size}; });
}

inline Column reverse(const Call& call) {
  const Argument& lists = call.arguments[0];
  const Column& column = *lists.column;
  return picked(call, *column.child, [&](int64_t i, Growing<int32_t>& places) {
    const int64_t row = lists.row(i);
    for (int64_t k = column.start(row + 1); k-- > column.start(row);) places.push(static_cast<int32_t>(k));
  });
}

inline Column flatten(const Call& call) {
  const Argument& lists = call.arguments[0];
  const Column& column = *lists.column;
  const Column& inner = *column.child;
  return picked(call, *inner.child, [&](int64_t i, Growing<int32_t>& places) {
    const int64_t row = lists.row(i);
    for (int64_t k = inner.start(column.start(row)); k < inner.start(column.start(row + 1)); ++k) {
      places.push(static_cast<int32_t>(k));
    }
  });
}

// The row of an aligned list beside one of `size` elements.
template <class T>
ListIn<T> beside(const Argument& argument, int64_t i, int64_t size) {
  const ListIn<T> list = Reader<ListIn<T>>(*argument.column)(argument.row(i));
  if (list.size() != size) {
    throw EngineError("lists of " + std::to_string(size) + " and " + std::to_string(list.size()) +
                      " elements beside each other");
  }
  return list;
}

inline Column filter(const Call& call) {
  const Argument& lists = call.arguments[0];
  const Column& column = *lists.column;
  return picked(call, *column.child, [&](int64_t i, Growing<int32_t>& places) {
    const int64_t row = lists.row(i), start = column.start(row), size = column.start(row + 1) - start;
    const ListIn<bool> mask = beside<bool>(call.arguments[1], i, size);
    for (int64_t k = 0; k < size; ++k) {
      if (mask[k]) places.push(static_cast<int32_t>(start + k));
    }
  });
}

// Whether `a` comes before `b`: NaN comes last in both directions.
template <class T>
bool comes_before(const T& a, const T& b, bool descending) {
  if constexpr (std::is_same_v<T, double>) {
    if (std::isnan(a)) return false;
    if (std::isnan(b)) return true;
  }
  return descending ? b < a : a < b;
}

template <class T>
Column sort_by(const Call& call, bool descending) {
  const Argument& lists = call.arguments[0];
  const Column& column = *lists.column;
  std::vector<int32_t> order;
  return picked(call, *column.child, [&](int64_t i, Growing<int32_t>& places) {
    const int64_t row = lists.row(i), start = column.start(row), size = column.start(row + 1) - start;
    const ListIn<T> by = beside<T>(call.arguments[1], i, size);
    order.resize(static_cast<size_t>(size));
    for (int64_t k = 0; k < size; ++k) order[static_cast<size_t>(k)] = static_cast<int32_t>(k);
    std::stable_sort(order.begin(), order.end(),
                     [&](int32_t a, int32_t b) { return comes_before<T>(by[a], by[b], descending); });
    for (const int32_t k : order) places.push(static_cast<int32_t>(start + k));
  });
}

template <class T>
void sort(const ListIn<T>& list, bool descending, ListOut<T>& out) {
  std::vector<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>> values(list.begin(), list.end());
  std::stable_sort(values.begin(), values.end(), [descending](const auto& a, const auto& b) {
    return comes_before<std::decay_t<decltype(a)>>(a, b, descending);
  });
  for (const auto& value : values) out.push(static_cast<T>(value));
}

template <class T>
Maybe<int64_t> index_of(const ListIn<T>& list, const T& wanted) {
  for (int64_t k = 0; k < list.size(); ++k) {
    if (same_value<T>(list[k], wanted)) return k;
  }
  return {};
}

// Where `part` stands first within `list`: Knuth, Morris and Pratt's search.
template <class T>
Maybe<int64_t> run_at(const ListIn<T>& list, const ListIn<T>& part) {
  const int64_t size = part.size();
  if (size == 0) return int64_t{0};
  std::vector<int64_t> border(static_cast<size_t>(size), 0);  // of each beginning of `part`
  const auto longest = [&](int64_t matched, const T& next) {
    while (matched > 0 && !same_value<T>(part[matched], next)) matched = border[static_cast<size_t>(matched - 1)];
    return matched + (same_value<T>(part[matched], next) ? 1 : 0);
  };
  for (int64_t k = 1; k < size; ++k)
    border[static_cast<size_t>(k)] = longest(border[static_cast<size_t>(k - 1)], part[k]);
  int64_t matched = 0;
  for (int64_t k = 0; k < list.size(); ++k) {
    matched = longest(matched, list[k]);
    if (matched == size) return k + 1 - size;
  }
  return {};
}

// Maps of values of any type: the last value of equal keys, at the place of the first.
template <class K>
Column zip(const Call& call) {
  const Argument &keys = call.arguments[0], &values = call.arguments[1];
  Growing<int32_t> key_places(call.arena), value_places(call.arena);
  auto* offsets = call.arena.take<int32_t>(call.rows + 1);
  auto* valid = any_null(call) ? call.arena.take<uint8_t>(call.rows) : nullptr;
  ValueSet<K> known;
  offsets[0] = 0;
  for (int64_t i = 0; i < call.rows; ++i) {
    const bool here = valid == nullptr || all_valid(call, i);
    if (valid != nullptr) valid[i] = here;
    if (here) {
      const ListIn<K> list = Reader<ListIn<K>>(*keys.column)(keys.row(i));
      const int64_t start = values.column->start(values.row(i));
      if (values.column->start(values.row(i) + 1) - start != list.size()) {
        throw EngineError("keys and values beside each other that are not equally many");
      }
      known.clear(list.size());
      const int64_t first = key_places.size();
      for (int64_t k = 0; k < list.size(); ++k) {
        const auto [number, fresh] = known.insert(list[k]);
        if (fresh) {
          key_places.push(static_cast<int32_t>(list.start() + k));
          value_places.push(static_cast<int32_t>(start + k));
        } else {
          value_places.data()[first + number] = static_cast<int32_t>(start + k);
        }
      }
    }
    offsets[i + 1] = checked_offset(key_places.size());
  }
  auto* children = call.arena.take<Column>(2);
  children[0] = gather(*keys.column->child, key_places.data(), key_places.size(), call.arena);
  children[1] = gather(*values.column->child, value_places.data(), value_places.size(), call.arena);
  Column map;
  map.layout = Layout::Map;
  map.length = call.rows;
  map.valid = valid;
  map.offsets = offsets;
  map.child = children;
  return map;
}

inline void diff(const ListIn<int64_t>& list, ListOut<int64_t>& out) {
  for (int64_t k = 1; k < list.size(); ++k) {
    out.push(static_cast<int64_t>(static_cast<uint64_t>(list[k]) - static_cast<uint64_t>(list[k - 1])));
  }
}

inline void diff(const ListIn<double>& list, ListOut<double>& out) {
  for (int64_t k = 1; k < list.size(); ++k) out.push(list[k] - list[k - 1]);
}

}  // namespace feat::select
