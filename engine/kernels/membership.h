// Whether lists hold values: `in` and `contains`.
#pragma once

#include <cstdint>
#include <type_traits>

#include "engine/kernel.h"
#include "engine/kernels/value_set.h"

namespace feat {

template <class T>
bool holds(const ListIn<T>& list, const T& wanted) {
  for (const T value : list) {
    if (same_value(value, wanted)) return true;
  }
  return false;
}

// One list is searched through for a few values; for many, as when it stands beside all elements of another list or
// beside all rows, it becomes a set first.
template <class T>
Column membership(const Call& call, const Argument& lists, const Argument& values) {
  constexpr int64_t kFewElements = 16, kFewValues = 8;
  const Reader<ListIn<T>> list_at(*lists.column);
  const Reader<T> value_at(*values.column);
  uint8_t* found = call.arena.take<uint8_t>(call.rows);
  thread_local ValueSet<T> set;
  for (int64_t i = 0; i < call.rows;) {
    const int64_t row = lists.row(i);
    int64_t end = i + 1;
    while (end < call.rows && lists.row(end) == row) ++end;
    const ListIn<T> list = list_at(row);
    if (list.size() > kFewElements && end - i > kFewValues) {
      set.clear(list.size());
      for (const T value : list) set.insert(value);
      for (; i < end; ++i) found[i] = set.find(value_at(values.row(i))) >= 0;
    } else {
      for (; i < end; ++i) found[i] = holds(list, value_at(values.row(i)));
    }
  }
  uint8_t* valid = nullptr;
  if (lists.column->valid != nullptr || values.column->valid != nullptr) {
    valid = call.arena.take<uint8_t>(call.rows);
    for (int64_t i = 0; i < call.rows; ++i) valid[i] = lists.is_valid(i) & values.is_valid(i);
  }
  Column column;
  column.layout = Layout::Bool;
  column.length = call.rows;
  column.valid = valid;
  column.data = found;
  return column;
}

}  // namespace feat
