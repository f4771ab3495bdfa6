// Scalars appended to a column one by one, in line: what the sinks of scalars write to, and `engine/row_steps.h`
// without a sink.
#pragma once

#include <cstdint>
#include <cstring>
#include <iterator>
#include <span>
#include <string_view>

#include "engine/arena.h"
#include "engine/column.h"
#include "engine/type.h"

namespace feat {

// A text where it lies, behind which RowColumn::kCopied bytes may be read.
struct TextInRow {
  const uint8_t* at;
  int64_t size;
};

class RowColumn {
 public:
  static constexpr int64_t kCopied = 32;  // bytes at once

  // A column of a scalar type, in its stored layout, with room for so many rows.
  RowColumn(const Type& type, Arena& arena, int64_t expected_rows)
      : layout_(stored_layout(type)),
        valid_(arena),
        bytes_(arena, expected_rows * (layout_ == Layout::Str ? kExpectedText : value_bytes(layout_))),
        offsets_(arena, layout_ == Layout::Str ? expected_rows + 1 : 0) {
    if (layout_ == Layout::Str) offsets_.push(0);
  }

  // A value of the layout's own type: uint8_t for a Bool.
  template <class T>
  void push(T value) {
    std::memcpy(bytes_.grow(sizeof(T)), &value, sizeof(T));
    mark_valid();
  }
  void push_bool(bool value) { push<uint8_t>(value); }
  // An integer that fits.
  void push_integer(int64_t value) {
    if (layout_ == Layout::I32) {
      push(static_cast<int32_t>(value));
    } else {
      push(value);
    }
  }
  void push_float(double value) {
    if (layout_ == Layout::F32) {
      push(static_cast<float>(value));
    } else {
      push(value);
    }
  }
  void push_text(std::string_view value) {
    bytes_.append(reinterpret_cast<const uint8_t*>(value.data()), static_cast<int64_t>(value.size()));
    end_text();
    mark_valid();
  }
  void push_text(const TextInRow& text) {
    uint8_t* to = bytes_.grow(text.size + kCopied);
    for (int64_t at = 0; at < text.size; at += kCopied) std::memcpy(to + at, text.at + at, kCopied);
    bytes_.truncate(bytes_.size() - kCopied);
    end_text();
    mark_valid();
  }
  void push_texts(std::span<const TextInRow> texts) {
    append(texts);
    if (any_null_) valid_.fill(std::ssize(texts), 1);
    length_ += std::ssize(texts);
  }
  // Texts, those that are not valid of size 0.
  void push_texts(std::span<const TextInRow> texts, std::span<const uint8_t> valid) {
    append(texts);
    mark(valid);
  }
  // Values of the layout's own type, those that are not valid 0.
  template <class T>
  void push_all(std::span<const T> values, std::span<const uint8_t> valid) {
    bytes_.append(reinterpret_cast<const uint8_t*>(values.data()), static_cast<int64_t>(values.size_bytes()));
    mark(valid);
  }
  void push_null() {
    if (!any_null_) {
      valid_.fill(length_, 1);
      any_null_ = true;
    }
    valid_.push(0);
    ++length_;
    if (layout_ == Layout::Str) {
      offsets_.push(static_cast<int32_t>(bytes_.size()));
    } else {
      bytes_.fill(value_bytes(layout_), 0);
    }
  }

  // Makes room for so many more.
  void expect(int64_t count) {
    make_room(bytes_, count * (layout_ == Layout::Str ? kExpectedText : value_bytes(layout_)) + kCopied);
    if (layout_ == Layout::Str) make_room(offsets_, count);
  }

  Layout layout() const { return layout_; }
  int64_t length() const { return length_; }
  // Of texts: one of them, as long as nothing is pushed.
  std::string_view text(int64_t row) const {
    const auto size = static_cast<size_t>(offsets_[row + 1] - offsets_[row]);
    return {reinterpret_cast<const char*>(bytes_.data()) + offsets_[row], size};
  }
  // Forgets the rows from `length` on.
  void truncate(int64_t length) {
    if (length >= length_) return;
    length_ = length;
    if (any_null_) valid_.truncate(length);
    if (layout_ == Layout::Str) {
      offsets_.truncate(length + 1);
      bytes_.truncate(offsets_[length]);
    } else {
      bytes_.truncate(length * value_bytes(layout_));
    }
  }
  // Whether every text that was pushed since the last such question is UTF-8, true for any other column. What was there
  // then is not truncated.
  bool new_texts_are_valid();
  // The column; nothing may be pushed after.
  Column finish();

 private:
  static constexpr int64_t kExpectedText = 16;

  template <class T>
  static void make_room(Growing<T>& values, int64_t count) {
    const int64_t size = values.size();
    values.grow(count);
    values.truncate(size);
  }
  void end_text() {
    if (bytes_.size() > INT32_MAX) [[unlikely]]
      checked_offset(bytes_.size());
    offsets_.push(static_cast<int32_t>(bytes_.size()));
  }
  void mark_valid() {
    if (any_null_) valid_.push(1);
    ++length_;
  }
  void mark(std::span<const uint8_t> valid) {
    if (!any_null_ && std::memchr(valid.data(), 0, valid.size()) != nullptr) {
      valid_.fill(length_, 1);
      any_null_ = true;
    }
    if (any_null_) valid_.append(valid.data(), std::ssize(valid));
    length_ += std::ssize(valid);
  }
  void append(std::span<const TextInRow> texts) {
    int64_t size = 0;
    for (const TextInRow& text : texts) size += text.size;
    uint8_t* to = bytes_.grow(size + kCopied);
    bytes_.truncate(bytes_.size() - kCopied);
    if (bytes_.size() > INT32_MAX) [[unlikely]]
      checked_offset(bytes_.size());
    auto end = static_cast<int32_t>(bytes_.size() - size);
    int32_t* ends = offsets_.grow(std::ssize(texts));
    for (const TextInRow& text : texts) {
      std::memcpy(to, text.at, kCopied);
      for (int64_t at = kCopied; at < text.size; at += kCopied) std::memcpy(to + at, text.at + at, kCopied);
      to += text.size;
      *ends++ = end += static_cast<int32_t>(text.size);
    }
  }

  const Layout layout_;
  bool any_null_ = false;
  int64_t length_ = 0;
  int64_t looked_at_ = 0;  // so many texts
  Growing<uint8_t> valid_;
  Growing<uint8_t> bytes_;  // texts, or values
  Growing<int32_t> offsets_;
};

// Lists of scalars, a row from offsets[i] to offsets[i + 1] of the items.
struct RowLists {
  RowColumn* items;
  Growing<int32_t>* offsets;
  int64_t cap;  // -1 for any length
};

// Maps with texts for keys: entry by entry a key and its value, which is a scalar or such a map; then the row's end.
class RowMaps {
 public:
  virtual ~RowMaps() = default;
  // False: the entries since the last row's end are no such row, as two have one key; nothing was ended.
  virtual bool end_entries() = 0;

  RowColumn* keys = nullptr;
  RowColumn* values = nullptr;  // or
  RowMaps* inner = nullptr;
};

}  // namespace feat
