// Keys of rows: texts, or integers in decimal, one after the other in one piece of memory.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/batch.h"

namespace feat {

class Keys {
 public:
  enum class Kind : uint8_t { Null, Text, Integer };

  // Which of them are equal. Null ones are none.
  struct Distinct {
    std::vector<int64_t> first;  // where each distinct key stands first, in this order
    std::vector<int64_t> which;  // by key: which of the distinct ones; -1 for null
  };
  struct OfColumn;

  void reserve(size_t count, size_t bytes) {
    bytes_.reserve(bytes);
    ends_.reserve(count);
    kinds_.reserve(count);
  }
  void add(std::string_view text) { add(text, Kind::Text); }
  void add(int64_t number) {
    char digits[24];
    add({digits, std::to_chars(digits, digits + sizeof digits, number).ptr}, Kind::Integer);
  }
  // An integer of any size, in decimal.
  void add_decimal(std::string_view digits) { add(digits, Kind::Integer); }
  void add_null() { add({}, Kind::Null); }

  size_t size() const { return ends_.size(); }
  Kind kind(size_t i) const { return kinds_[i]; }
  bool present(size_t i) const { return kinds_[i] != Kind::Null; }
  // As it is written; a null one is empty.
  std::string_view operator[](size_t i) const {
    const size_t start = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(start, ends_[i] - start);
  }
  bool are_texts() const;
  bool fit_int32() const;
  size_t num_bytes() const { return bytes_.size(); }

  Distinct distinct() const;
  // Those at these places. Errors: EngineError where there is none.
  Keys take(std::span<const int64_t> places) const;
  // As a column of that type, int64, int32 or string. Errors: EngineError for a key that is none.
  Batch column(const std::string& name, const Type& type) const;
  // Whether each text is UTF-8.
  bool texts_are_valid() const;

  // One key for each row of keys beside each other, which are equally many. Errors: EngineError.
  static Keys together(std::span<const Keys* const> columns);
  // A column's values, of type int64, int32 or string, or a list of such. Errors: EngineError.
  static OfColumn of_column(const Batch& batch, const std::string& name);

 private:
  void add(std::string_view text, Kind kind) {
    bytes_.append(text);
    ends_.push_back(bytes_.size());
    kinds_.push_back(kind);
  }
  void add_value(const Column& column, int64_t row);

  std::string bytes_;
  std::vector<size_t> ends_;
  std::vector<Kind> kinds_;
};

struct Keys::OfColumn {
  Keys keys;
  bool of_lists = false;
  std::vector<int64_t> lengths;  // of lists: how many keys each row has
};

}  // namespace feat
