// The kernels of featdsl/operators/set.py that keep one list beside many rows.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "engine/kernel.h"
#include "engine/kernels/set.h"

namespace feat::set {

// A few different texts, found by their first 8 bytes. A text's column must have Arena::kSlack behind it.
class FewTexts {
 public:
  static constexpr int64_t kMost = 32;

  void clear() { size_ = 0, known_ = 0; }
  void insert(std::string_view text) {
    const uint64_t first = first_bytes(text);
    if (find(text, first) >= 0) return;
    texts_[size_] = text;
    first_[size_++] = first;
    known_ |= bit(first);
  }
  // Its place, or -1.
  int64_t find(std::string_view text) const { return find(text, first_bytes(text)); }

 private:
  static uint64_t first_bytes(std::string_view text) {
    if (text.empty()) return 0;
    uint64_t word;
    std::memcpy(&word, text.data(), sizeof word);
    return text.size() >= sizeof word ? word : word & ((uint64_t{1} << (8 * text.size())) - 1);
  }
  static uint64_t bit(uint64_t first) { return uint64_t{1} << ((first * 0x9E3779B185EBCA87ULL) >> 58); }

  int64_t find(std::string_view text, uint64_t first) const {
    if ((known_ & bit(first)) == 0) return -1;
    for (int64_t k = 0; k < size_; ++k) {
      if (first_[k] == first && texts_[k] == text) return k;
    }
    return -1;
  }

  int64_t size_ = 0;
  uint64_t known_ = 0;  // the bits of the texts that are there
  uint64_t first_[kMost];
  std::string_view texts_[kMost];
};

inline Column overlap_of_texts(const Call& call) {
  Argument few = call.arguments[0], many = call.arguments[1];
  if (many.rows == nullptr && many.step == 0) std::swap(few, many);
  const Reader<ListIn<std::string_view>> few_rows(*few.column), many_rows(*many.column);
  auto* counts = call.arena.take<int64_t>(call.rows);
  uint8_t* valid = nullptr;
  if (few.column->valid != nullptr || many.column->valid != nullptr) valid = call.arena.take<uint8_t>(call.rows);
  FewTexts texts;
  int64_t gathered = -1;  // the row whose texts these are
  for (int64_t i = 0; i < call.rows; ++i) {
    const int64_t row = few.row(i);
    const ListIn<std::string_view> one = few_rows(row), other = many_rows(many.row(i));
    if (valid != nullptr) valid[i] = few.is_valid(i) && many.is_valid(i);
    if (one.size() > FewTexts::kMost) {
      counts[i] = overlap_count(one, other);
      continue;
    }
    if (row != gathered) {
      texts.clear();
      for (const std::string_view text : one) texts.insert(text);
      gathered = row;
    }
    uint64_t found = 0;
    for (const std::string_view text : other) {
      const int64_t place = texts.find(text);
      if (place >= 0) found |= uint64_t{1} << place;
    }
    counts[i] = std::popcount(found);
  }
  Column column;
  column.layout = Layout::I64;
  column.length = call.rows;
  column.valid = valid;
  column.data = counts;
  return column;
}

}  // namespace feat::set
