// Picking rows of columns, all layouts alike.
#include <cstring>

#include "engine/column.h"

namespace feat {
namespace {

template <bool many>
class Picker {
 public:
  Picker(const Column* const* columns, int32_t column_count, const int32_t* which, const int32_t* rows, int64_t count,
         Arena& arena)
      : columns_(columns), column_count_(column_count), which_(which), rows_(rows), count_(count), arena_(arena) {}

  Column pick() {
    out_.layout = columns_[0]->layout;
    out_.width = columns_[0]->width;
    out_.length = count_;
    if constexpr (many) {
      for (int32_t c = 1; c < column_count_; ++c) {
        if (columns_[c]->layout != out_.layout || columns_[c]->width != out_.width) {
          out_.layout = Layout::List;
          out_.width = 0;
        }
      }
    }
    out_.valid = pick_valid();
    switch (out_.layout) {
      case Layout::Bool:
        pick_values<uint8_t>();
        break;
      case Layout::I32:
      case Layout::F32:
        pick_values<uint32_t>();
        break;
      case Layout::I64:
      case Layout::F64:
        pick_values<uint64_t>();
        break;
      case Layout::Str:
        pick_text();
        break;
      case Layout::List:
      case Layout::Vector:
      case Layout::Map:
        pick_children();
        break;
    }
    return out_;
  }

 private:
  const Column& source(int64_t i) const { return many ? *columns_[which_[i]] : *columns_[0]; }

  const uint8_t* pick_valid() {
    bool any = false;
    for (int64_t i = 0; i < count_; ++i) any |= rows_[i] == kNullRow;
    for (int32_t c = 0; c < column_count_; ++c) any |= columns_[c]->valid != nullptr;
    if (!any) return nullptr;
    auto* valid = arena_.take<uint8_t>(count_);
    bool all = true;
    for (int64_t i = 0; i < count_; ++i) {
      valid[i] = rows_[i] < 0 ? rows_[i] == kDefaultRow : source(i).is_valid(rows_[i]);
      all &= valid[i] != 0;
    }
    return all ? nullptr : valid;
  }

  template <class T>
  void pick_values() {
    T* values = arena_.take<T>(count_);
    for (int64_t i = 0; i < count_; ++i) values[i] = rows_[i] < 0 ? T{} : source(i).template as<T>()[rows_[i]];
    out_.data = values;
  }

  // Offsets from the extent of each picked row; returns their end.
  int64_t pick_offsets() {
    auto* offsets = arena_.take<int32_t>(count_ + 1);
    int64_t end = 0;
    offsets[0] = 0;
    for (int64_t i = 0; i < count_; ++i) {
      if (rows_[i] >= 0 && (out_.valid == nullptr || out_.valid[i])) {
        const Column& column = source(i);
        end += column.start(rows_[i] + int64_t{1}) - column.start(rows_[i]);
      }
      offsets[i + 1] = checked_offset(end);
    }
    out_.offsets = offsets;
    return end;
  }

  void pick_text() {
    char* bytes = arena_.take<char>(pick_offsets());
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t size = out_.offsets[i + 1] - out_.offsets[i];
      if (size > 0) std::memcpy(bytes + out_.offsets[i], source(i).text(rows_[i]).data(), static_cast<size_t>(size));
    }
    out_.data = bytes;
  }

  void pick_children() {
    const bool vector = out_.layout == Layout::Vector;
    const int64_t total = vector ? checked_offset(count_ * out_.width) : pick_offsets();
    auto* rows = arena_.take<int32_t>(total);
    int32_t* which = many ? arena_.take<int32_t>(total) : nullptr;
    int64_t at = 0;
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t size = vector ? out_.width : out_.offsets[i + 1] - out_.offsets[i];
      const int64_t start = rows_[i] < 0 ? 0 : source(i).start(rows_[i]);
      for (int64_t k = 0; k < size; ++k, ++at) {
        rows[at] = rows_[i] < 0 ? kDefaultRow : static_cast<int32_t>(start + k);
        if constexpr (many) which[at] = which_[i];
      }
    }
    const int children = out_.child_count();
    auto* child = arena_.take<Column>(children);
    auto** sources = arena_.take<const Column*>(column_count_);
    for (int k = 0; k < children; ++k) {
      for (int32_t c = 0; c < column_count_; ++c) sources[c] = &columns_[c]->child[k];
      child[k] = Picker(sources, column_count_, which, rows, total, arena_).pick();
    }
    out_.child = child;
  }

  const Column* const* columns_;
  int32_t column_count_;
  const int32_t* which_;
  const int32_t* rows_;
  int64_t count_;
  Arena& arena_;
  Column out_;
};

}  // namespace

Column gather(const Column& column, const int32_t* rows, int64_t count, Arena& arena) {
  const Column* columns[] = {&column};
  return Picker<false>(columns, 1, nullptr, rows, count, arena).pick();
}

Column gather_from(const Column* const* columns, int32_t column_count, const int32_t* which, const int32_t* rows,
                   int64_t count, Arena& arena) {
  return Picker<true>(columns, column_count, which, rows, count, arena).pick();
}

}  // namespace feat
