// The kernels of featdsl/operators/set.py that keep one list beside many rows.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string_view>
#include <utility>

#include "engine/kernel.h"
#include "engine/kernels/set.h"
#include "engine/rows_many.h"
#include "engine/same_text.h"

namespace feat::set {

// A few different texts, found by their hashes.
class FewTexts {
 public:
  static constexpr int64_t kMost = 32;

  void clear() { size_ = 0, known_ = 0; }
  void insert(std::string_view text, uint64_t code) {
    if (find(text, code) >= 0) return;
    texts_[size_] = text;
    codes_[size_++] = code;
    known_ |= bit(code);
  }
  // Its place, or -1.
  int64_t find(std::string_view text, uint64_t code) const {
    if ((known_ & bit(code)) == 0) return -1;
    for (int64_t k = 0; k < size_; ++k) {
      if (codes_[k] == code && same_text(texts_[k], text)) return k;
    }
    return -1;
  }

 private:
  static uint64_t bit(uint64_t code) { return uint64_t{1} << (code & 63); }

  int64_t size_ = 0;
  uint64_t known_ = 0;  // the bits of the texts that are there
  uint64_t codes_[kMost];
  std::string_view texts_[kMost];
};

inline Column counted(const int64_t* counts, const uint8_t* valid, int64_t rows) {
  Column column;
  column.length = rows;
  column.valid = valid;
  column.data = counts;
  return column;
}

inline constexpr int64_t kBits = 64;

// The counts where `few` is one list for all rows: bits of which of its texts each text of `many` is, then of each
// row's. False if there are too many, or two of one hash.
inline bool count_beside_same(const Argument& few, const Argument& many, const Call& call, int64_t* counts) {
  if (!many.is_dense() || !many.column->has_offsets()) return false;
  const ListIn<std::string_view> list = Reader<ListIn<std::string_view>>(*few.column)(0);
  const uint64_t* list_codes = call.codes.of(*few.column->child) + list.start();
  uint64_t codes[kBits];
  std::string_view texts[kBits];
  int64_t size = 0;
  for (int64_t k = 0; k < list.size(); ++k) {
    const int64_t place = std::find(codes, codes + size, list_codes[k]) - codes;
    if (place < size && same_text(texts[place], list[k])) continue;
    if (place < size || size == kBits) return false;
    texts[size] = list[k];
    codes[size++] = list_codes[k];
  }
  const Column& elements = *many.column->child;
  auto* found = call.arena.take<uint64_t>(elements.length);
  find_codes(call.codes.of(elements), elements.length, codes, size, found);
  for (int64_t i = 0; i < elements.length; ++i) {
    if (found[i] != 0 && !same_text(texts[std::countr_zero(found[i])], elements.text(i))) found[i] = 0;
  }
  count_bits_of_rows(found, many.column->offsets, call.rows, counts);
  return true;
}

inline Column overlap_of_texts(const Call& call) {
  Argument few = call.arguments[0], many = call.arguments[1];
  if (many.is_same()) std::swap(few, many);
  const Reader<ListIn<std::string_view>> few_rows(*few.column), many_rows(*many.column);
  auto* counts = call.arena.take<int64_t>(call.rows);
  uint8_t* valid = nullptr;
  if (few.column->valid != nullptr || many.column->valid != nullptr) valid = call.arena.take<uint8_t>(call.rows);
  const uint64_t* few_codes = call.codes.of(*few.column->child);
  const uint64_t* many_codes = call.codes.of(*many.column->child);
  if (few.is_same() && count_beside_same(few, many, call, counts)) {
    for (int64_t i = 0; valid != nullptr && i < call.rows; ++i) valid[i] = few.is_valid(i) && many.is_valid(i);
    return counted(counts, valid, call.rows);
  }
  FewTexts texts;
  int64_t gathered = -1;  // the row whose texts these are
  for (int64_t i = 0; i < call.rows; ++i) {
    const int64_t row = few.row(i);
    const ListIn<std::string_view> one = few_rows(row), other = many_rows(many.row(i));
    if (valid != nullptr) valid[i] = few.is_valid(i) && many.is_valid(i);
    const bool again = i > 0 && many.row(i) == many.row(i - 1);
    if (one.size() > FewTexts::kMost || (again && other.size() > FewTexts::kMost)) {
      counts[i] = overlap_count(one, other);
      continue;
    }
    if (row != gathered) {
      texts.clear();
      for (int64_t k = 0; k < one.size(); ++k) texts.insert(one[k], few_codes[one.start() + k]);
      gathered = row;
    }
    uint64_t found = 0;
    for (int64_t k = 0; k < other.size(); ++k) {
      const int64_t place = texts.find(other[k], many_codes[other.start() + k]);
      if (place >= 0) found |= uint64_t{1} << place;
    }
    counts[i] = std::popcount(found);
  }
  return counted(counts, valid, call.rows);
}

}  // namespace feat::set
