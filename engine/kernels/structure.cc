// Kernels that only move values: the list literal, and lists put one behind the other.
#include <numeric>

#include "engine/kernel.h"

namespace feat {

namespace {

template <class T>
Column interleave(const Call& call, Column values) {
  const auto width = static_cast<int64_t>(call.arguments.size());
  T* out = call.arena.take<T>(call.rows * width);
  for (int64_t k = 0; k < width; ++k) {
    const Argument& argument = call.arguments[static_cast<size_t>(k)];
    const T* from = argument.column->as<T>();
    for (int64_t i = 0; i < call.rows; ++i) out[i * width + k] = from[argument.row(i)];
  }
  values.data = out;
  return values;
}

// The elements of row after row: argument k of row i is element i * width + k.
Column elements(const Call& call, int64_t total) {
  const auto width = static_cast<int64_t>(call.arguments.size());
  std::vector<const Column*> columns;
  bool any_null = false;
  for (const Argument& argument : call.arguments) {
    columns.push_back(argument.column);
    any_null |= argument.column->valid != nullptr;
  }
  Column values;
  values.layout = columns[0]->layout;
  values.length = total;
  if (!any_null && value_bytes(values.layout) == 8) return interleave<uint64_t>(call, values);
  if (!any_null && value_bytes(values.layout) == 1) return interleave<uint8_t>(call, values);
  auto* which = call.arena.take<int32_t>(total);
  auto* rows = call.arena.take<int32_t>(total);
  for (int64_t i = 0; i < call.rows; ++i) {
    for (int64_t k = 0; k < width; ++k) {
      which[i * width + k] = static_cast<int32_t>(k);
      rows[i * width + k] = static_cast<int32_t>(call.arguments[static_cast<size_t>(k)].row(i));
    }
  }
  return gather_from(columns.data(), static_cast<int32_t>(width), which, rows, total, call.arena);
}

// `[a, b]`. A null among elements that may not be null makes the whole list null.
Column list_literal(const Call& call) {
  const auto width = static_cast<int64_t>(call.arguments.size());
  auto* child = call.arena.take<Column>(1);
  *child = elements(call, checked_offset(call.rows * width));
  Column list;
  list.layout = Layout::Vector;
  list.width = static_cast<int32_t>(width);
  list.length = call.rows;
  list.child = child;
  if (child->valid != nullptr && !call.result.element().nullable) {
    auto* valid = call.arena.take<uint8_t>(call.rows);
    for (int64_t i = 0; i < call.rows; ++i) {
      valid[i] = 1;
      for (int64_t k = 0; k < width; ++k) valid[i] &= child->valid[i * width + k];
    }
    list.valid = valid;
    child->valid = nullptr;
  }
  return list;
}

// Lists and vectors, row by row one behind the other.
Column concat(const Call& call) {
  std::vector<const Column*> children;
  for (const Argument& argument : call.arguments) children.push_back(argument.column->child);
  const uint8_t* valid = call.validity();
  auto* offsets = call.arena.take<int32_t>(call.rows + 1);
  Growing<int32_t> which(call.arena), rows(call.arena);
  offsets[0] = 0;
  for (int64_t i = 0; i < call.rows; ++i) {
    for (size_t k = 0; k < call.arguments.size() && (valid == nullptr || valid[i]); ++k) {
      const Argument& argument = call.arguments[k];
      const int64_t start = argument.column->start(argument.row(i));
      const int64_t size = argument.column->start(argument.row(i) + 1) - start;
      int32_t* sources = which.grow(size);
      int32_t* places = rows.grow(size);
      std::fill_n(sources, size, static_cast<int32_t>(k));
      std::iota(places, places + size, static_cast<int32_t>(start));
    }
    offsets[i + 1] = checked_offset(rows.size());
  }
  auto* child = call.arena.take<Column>(1);
  *child = gather_from(children.data(), static_cast<int32_t>(children.size()), which.data(), rows.data(), rows.size(),
                       call.arena);
  Column list;
  list.layout = Layout::List;
  list.length = call.rows;
  list.valid = valid;
  list.offsets = offsets;
  list.child = child;
  return list;
}

}  // namespace

void register_structure(Registry& r) {
  r.add_column("list(any?...)->list<any>?", list_literal);
  r.add_column("concat(list<any>...)->list<any>", concat);
}

}  // namespace feat
