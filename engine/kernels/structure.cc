// Kernels that only move values: the list literal.
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

}  // namespace

void register_structure(Registry& r) { r.add_column("list(any?...)->list<any>?", list_literal); }

}  // namespace feat
