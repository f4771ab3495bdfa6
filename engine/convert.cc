#include "engine/convert.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace feat {
namespace {

// Whether int32 or float32 occurs in it.
bool is_narrow(const Column& column) {
  if (column.layout == Layout::I32 || column.layout == Layout::F32) return true;
  for (int k = 0; k < column.child_count(); ++k) {
    if (is_narrow(column.child[k])) return true;
  }
  return false;
}

template <class From, class To>
const To* widen(const Column& column, Arena& arena) {
  To* wide = arena.take<To>(column.length);
  const From* values = column.as<From>();
  for (int64_t i = 0; i < column.length; ++i) wide[i] = static_cast<To>(values[i]);
  return wide;
}

const uint8_t* store_valid(const Column& column, Arena& arena) {
  if (column.valid == nullptr || arena.holds(column.valid)) return column.valid;
  auto* valid = arena.take<uint8_t>(column.length);
  std::memcpy(valid, column.valid, static_cast<size_t>(column.length));
  return valid;
}

const char* store_text(const Column& column, Arena& arena) {
  if (arena.holds(column.data)) return column.bytes();
  const int64_t count = column.offsets[column.length];
  char* text = arena.take<char>(count);
  if (count > 0) std::memcpy(text, column.data, static_cast<size_t>(count));
  return text;
}

// A null row holds 0 when it leaves the program.
template <class T>
void clear_nulls(const Column& column, T* values) {
  if (column.valid == nullptr) return;
  const uint8_t* __restrict__ valid = column.valid;
  T* __restrict__ out = values;
  const int64_t count = column.length;
  for (int64_t i = 0; i < count; ++i) out[i] = valid[i] ? out[i] : T{};
}

template <class T>
const T* store_fixed(const Column& column, Arena& arena) {
  if (column.valid == nullptr && arena.holds(column.data)) return column.as<T>();
  T* values = arena.take<T>(column.length);
  if (column.length > 0) std::memcpy(values, column.data, static_cast<size_t>(column.length) * sizeof(T));
  clear_nulls(column, values);
  return values;
}

int32_t narrowed(int64_t value) {
  if (value < INT32_MIN || value > INT32_MAX) throw EngineError("a value does not fit int32: " + std::to_string(value));
  return static_cast<int32_t>(value);
}

// x - x is 0 or no number; sums of such, side by side, so that a compiler makes vectors of them.
template <class T>
bool any_nonfinite(const T* values, int64_t count) {
  constexpr int64_t kSums = 16;
  T sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int64_t k = 0; k < kSums; ++k) sums[k] += values[i + k] - values[i + k];
  }
  for (; i < count; ++i) sums[0] += values[i] - values[i];
  return std::any_of(sums, sums + kSums, [](T sum) { return sum != 0; });
}

template <class T>
const T* store_floats(const Column& column, Arena& arena, const StoreOptions& options) {
  const bool is_stored = column.layout == (std::is_same_v<T, float> ? Layout::F32 : Layout::F64);
  if (is_stored && column.valid == nullptr && arena.holds(column.data)) {
    if (!options.finite || !any_nonfinite(column.as<T>(), column.length)) return column.as<T>();
  }
  T* values = arena.take<T>(column.length);
  if (is_stored) {
    std::copy_n(column.as<T>(), column.length, values);
  } else {
    const double* held = column.as<double>();
    for (int64_t i = 0; i < column.length; ++i) values[i] = static_cast<T>(held[i]);
  }
  clear_nulls(column, values);
  if (!options.finite || !any_nonfinite(values, column.length)) return values;
  for (int64_t i = 0; i < column.length; ++i) {
    if (std::isfinite(values[i])) continue;
    values[i] = 0;
    ++*options.nonfinite;
  }
  return values;
}

}  // namespace

Column to_held(const Column& column, Arena& arena) {
  if (!is_narrow(column)) return column;
  Column held = column;
  if (column.layout == Layout::I32) {
    held.layout = Layout::I64;
    held.data = widen<int32_t, int64_t>(column, arena);
  } else if (column.layout == Layout::F32) {
    held.layout = Layout::F64;
    held.data = widen<float, double>(column, arena);
  } else {
    const int children = column.child_count();
    auto* child = arena.take<Column>(children);
    for (int k = 0; k < children; ++k) child[k] = to_held(column.child[k], arena);
    held.child = child;
  }
  return held;
}

Column to_stored(const Column& column, const Type& type, Arena& arena, const StoreOptions& options) {
  if (!type.nullable && column.valid != nullptr) {
    const void* null = std::memchr(column.valid, 0, static_cast<size_t>(column.length));
    if (null != nullptr) {
      const auto row = static_cast<const uint8_t*>(null) - column.valid;
      throw EngineError("a null where `" + type.text() + "` has none, row " + std::to_string(row));
    }
  }
  Column stored = column;
  stored.layout = stored_layout(type);
  stored.valid = store_valid(column, arena);
  if (column.offsets != nullptr && !arena.holds(column.offsets)) {
    auto* offsets = arena.take<int32_t>(column.length + 1);
    std::memcpy(offsets, column.offsets, static_cast<size_t>(column.length + 1) * sizeof(int32_t));
    stored.offsets = offsets;
  }
  switch (stored.layout) {
    case Layout::Bool:
      stored.data = store_fixed<uint8_t>(column, arena);
      break;
    case Layout::I32: {
      auto* values = arena.take<int32_t>(column.length);
      const int64_t* held = column.as<int64_t>();
      for (int64_t i = 0; i < column.length; ++i) values[i] = column.is_valid(i) ? narrowed(held[i]) : 0;
      stored.data = values;
      break;
    }
    case Layout::I64:
      stored.data = store_fixed<int64_t>(column, arena);
      break;
    case Layout::F32:
      stored.data = store_floats<float>(column, arena, options);
      break;
    case Layout::F64:
      stored.data = store_floats<double>(column, arena, options);
      break;
    case Layout::Str:
      stored.data = store_text(column, arena);
      break;
    case Layout::List:
    case Layout::Vector:
    case Layout::Map: {
      const int children = column.child_count();
      auto* child = arena.take<Column>(children);
      for (int k = 0; k < children; ++k) {
        child[k] = to_stored(column.child[k], type.children[static_cast<size_t>(k)], arena, options);
      }
      stored.child = child;
    }
  }
  return stored;
}

namespace {

Column list_to_vector(const Column& list, int32_t width, const Type& type, Arena& arena) {
  Column vector = list;
  vector.layout = Layout::Vector;
  vector.width = width;
  vector.offsets = nullptr;
  bool even = true;
  for (int64_t i = 0; i < list.length; ++i) {
    const int64_t size = list.start(i + 1) - list.start(i);
    if (size == width) continue;
    even = false;
    if (list.is_valid(i)) {
      throw EngineError("a row of " + std::to_string(size) + " elements where `" + type.text() + "` is declared");
    }
  }
  if (even) return vector;
  // Null rows take their room.
  const int32_t total = checked_offset(list.length * width);
  auto* rows = arena.take<int32_t>(total);
  for (int64_t i = 0; i < list.length; ++i) {
    for (int32_t k = 0; k < width; ++k) {
      rows[i * width + k] = list.is_valid(i) ? static_cast<int32_t>(list.start(i) + k) : kDefaultRow;
    }
  }
  auto* child = arena.take<Column>(1);
  *child = gather(*list.child, rows, total, arena);
  vector.child = child;
  return vector;
}

Column vector_to_list(const Column& vector, Arena& arena) {
  Column list = vector;
  list.layout = Layout::List;
  list.width = 0;
  auto* offsets = arena.take<int32_t>(vector.length + 1);
  auto* rows = arena.take<int32_t>(vector.length * vector.width);
  int32_t end = 0;
  offsets[0] = 0;
  for (int64_t i = 0; i < vector.length; ++i) {
    for (int32_t k = 0; k < vector.width && vector.is_valid(i); ++k) {
      rows[end++] = static_cast<int32_t>(i * vector.width + k);
    }
    offsets[i + 1] = end;
  }
  list.offsets = offsets;
  if (end != vector.length * vector.width) {
    auto* child = arena.take<Column>(1);
    *child = gather(*vector.child, rows, end, arena);
    list.child = child;
  }
  return list;
}

}  // namespace

bool conforms_inside(const Column& column, const Type& type) {
  if (type.kind == Kind::Vector && (column.layout == Layout::List || column.width != type.size)) return false;
  if (type.kind == Kind::List && column.layout == Layout::Vector) return false;
  for (size_t k = 0; k < type.children.size(); ++k) {
    const Type& child = type.children[k];
    if (!child.children.empty() && !conforms_inside(column.child[k], child)) return false;
  }
  return true;
}

Column conform(const Column& column, const Type& type, Arena& arena) {
  if (conforms(column, type)) return column;
  Column out = column;
  if (type.kind == Kind::Vector && (column.layout == Layout::List || column.width != type.size)) {
    out = list_to_vector(column, type.size, type, arena);
  } else if (type.kind == Kind::List && column.layout == Layout::Vector) {
    out = vector_to_list(column, arena);
  }
  const int children = out.child_count();
  auto* child = arena.take<Column>(children);
  for (int k = 0; k < children; ++k) child[k] = conform(out.child[k], type.children[static_cast<size_t>(k)], arena);
  out.child = child;
  return out;
}

Column retype_nothing(const Column& column, const Type& from, const Type& to, Arena& arena) {
  if (from.kind == Kind::Nothing) {
    Type nullable = to;
    nullable.nullable = true;
    ColumnBuilder builder(nullable.held(), arena);
    for (int64_t i = 0; i < column.length; ++i) builder.append_null();
    return builder.finish();
  }
  Column out = column;
  const int children = column.child_count();
  auto* child = arena.take<Column>(children);
  for (int k = 0; k < children; ++k) {
    const auto at = static_cast<size_t>(k);
    child[k] = retype_nothing(column.child[k], from.children[at], to.children[at], arena);
  }
  out.child = child;
  return out;
}

Column repeat(const Column& column, int64_t count, Arena& arena) {
  const bool valid = column.is_valid(0);
  if (valid && value_bytes(column.layout) > 0) {
    Column out = column;
    out.length = count;
    out.valid = nullptr;
    const auto fill = [&]<class T>(T value) {
      T* values = arena.take<T>(count);
      std::fill_n(values, count, value);
      out.data = values;
    };
    switch (value_bytes(column.layout)) {
      case 1:
        fill(*column.as<uint8_t>());
        break;
      case 4:
        fill(*column.as<uint32_t>());
        break;
      default:
        fill(*column.as<uint64_t>());
    }
    return out;
  }
  auto* rows = arena.take_zero<int32_t>(count);
  return gather(column, rows, count, arena);
}

namespace {

template <class T>
const T* repeated_values(const T* values, const Column& lists, int64_t elements, Arena& arena) {
  T* out = arena.take<T>(elements);
  for (int64_t i = 0; i < lists.length; ++i) std::fill(out + lists.start(i), out + lists.start(i + 1), values[i]);
  return out;
}

}  // namespace

Column repeat_rows(const Column& column, const Column& lists, int64_t elements, Arena& arena) {
  Column out = column;
  out.length = elements;
  if (column.valid != nullptr) out.valid = repeated_values(column.valid, lists, elements, arena);
  if (value_bytes(column.layout) == 1) {
    out.data = repeated_values(column.as<uint8_t>(), lists, elements, arena);
  } else {
    out.data = repeated_values(column.as<uint64_t>(), lists, elements, arena);
  }
  return out;
}

}  // namespace feat
