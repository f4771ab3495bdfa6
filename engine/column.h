// A column: rows of one type, in Arrow's layout but for nulls, which are a byte a row.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/arena.h"
#include "engine/type.h"
#include "engine/utf8.h"

namespace feat {

enum class Layout : uint8_t { Bool, I32, I64, F32, F64, Str, List, Vector, Map };

// A view; whoever made it holds the memory (an Arena). What always holds:
// - `valid` is null, or has a byte of 0 or 1 a row.
// - Str, List, Map: `offsets` has length + 1 entries, the first 0, the last the length of the child
//   (bytes of a Str); a null row is empty.
// - Vector: no offsets; the child has length * width elements.
// - Str holds valid UTF-8. A null row of a fixed-width layout holds some value, by default 0.
struct Column {
  Layout layout = Layout::I64;
  int32_t width = 0;  // of a Vector
  int64_t length = 0;
  const uint8_t* valid = nullptr;
  const void* data = nullptr;  // bool as a byte of 0 or 1, int32, int64, float, double, or UTF-8
  const int32_t* offsets = nullptr;
  const Column* child = nullptr;  // List, Vector: elements; Map: two, keys and values

  template <class T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
  const char* bytes() const { return as<char>(); }
  bool is_valid(int64_t row) const { return valid == nullptr || valid[row] != 0; }
  std::string_view text(int64_t row) const {
    return {bytes() + offsets[row], static_cast<size_t>(offsets[row + 1] - offsets[row])};
  }
  bool has_offsets() const { return layout == Layout::Str || layout == Layout::List || layout == Layout::Map; }
  // Where the elements of a row of a List, Vector or Map begin; `start(row + 1)` is their end.
  int64_t start(int64_t row) const { return offsets ? offsets[row] : row * width; }
  int child_count() const {
    return layout == Layout::Map ? 2 : layout == Layout::List || layout == Layout::Vector ? 1 : 0;
  }
};

// Bytes of a fixed-width value; 0 for the others.
int64_t value_bytes(Layout layout);
// How a declared type is stored in a batch (int32, float32 as such) or held in a program (as int64, float64).
Layout stored_layout(const Type& type);
Layout held_layout(const Type& type);
int32_t checked_offset(int64_t end);  // Errors: EngineError past 2^31 - 1

// Fills a column of a declared type (in its stored layout), row by row. Errors: EngineError when a
// column passes 2^31 - 1 bytes or elements, or a vector's row has not its length.
class ColumnBuilder {
 public:
  ColumnBuilder(const Type& type, Arena& arena);

  // A value; the call must suit the layout. Narrow layouts take what fits, the caller checks.
  void append_bool(bool value);
  void append_integer(int64_t value);        // int32, int64, timestamp, id
  void append_float(double value);           // float32 (rounded to nearest even), float64
  void append_text(std::string_view value);  // valid UTF-8
  // A null row, of any layout (a null vector takes its room).
  void append_null();
  // What stands in a null row: 0, an empty string, list or map, a vector of such.
  void append_default();

  // A row of a list, vector or map: append to `items()` (and `keys()`), then `end_row()`. Until then the row
  // can be undone with `undo_row()`.
  ColumnBuilder& items() { return *items_; }
  ColumnBuilder& keys() { return *keys_; }
  void end_row();
  void undo_row();

  int64_t length() const { return length_; }
  // Forgets the rows from `length` on.
  void truncate(int64_t length);
  const Type& type() const { return type_; }
  // The column. The builder is spent; the memory is the arena's.
  Column finish();

 private:
  template <class T>
  void push(T value);
  void mark(bool valid);
  int64_t committed() const;

  Type type_;
  Layout layout_;
  Arena* arena_;
  int64_t length_ = 0;
  bool any_null_ = false;
  Growing<uint8_t> valid_;
  Growing<uint8_t> bytes_;  // of a Str, or the values
  Growing<int32_t> offsets_;
  std::unique_ptr<ColumnBuilder> items_, keys_;
};

inline constexpr int32_t kNullRow = -1;
inline constexpr int32_t kDefaultRow = -2;

// The rows at `rows`, in that order; kNullRow gives a null row, kDefaultRow one of 0, "" or no elements.
Column gather(const Column& column, const int32_t* rows, int64_t count, Arena& arena);
// Row i is row rows[i] of columns[which[i]]. All columns of one layout, but that lists and vectors (of any
// widths) together make a List.
Column gather_from(const Column* const* columns, int32_t column_count, const int32_t* which, const int32_t* rows,
                   int64_t count, Arena& arena);

}  // namespace feat
