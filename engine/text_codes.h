// The hashes of a call's texts, each column's made once: `hash`, `cross`, `lookup` and `overlap_count` of one field
// share them; and the rows by their texts, which all maps share that are asked for one field.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/arena.h"
#include "engine/column.h"
#include "engine/hash_many.h"
#include "engine/text_rows.h"

namespace feat {

class TextCodes {
 public:
  static constexpr uint64_t kSeed = 42;

  // Results lie in `arena`, and live as long as the columns do.
  explicit TextCodes(Arena& arena) : arena_(&arena) {}

  // XXH64, seed 42, of each text of a Str column; of a null row that of the empty text.
  const uint64_t* of(const Column& texts) {
    Made& made = entry(texts.offsets);
    if (made.codes == nullptr || made.bytes != texts.data || made.length < texts.length) {
      auto* codes = arena_->take<uint64_t>(texts.length);
      xxh64_texts(texts.bytes(), texts.offsets, texts.length, kSeed, codes);
      made = {texts.offsets, texts.data, texts.length, codes, made.rows};
    }
    return made.codes;
  }

  // The rows of a Str column by their texts.
  const TextRows& rows_of(const Column& texts) {
    Made& made = entry(texts.offsets);
    if (made.rows == nullptr || !made.rows->is_of(texts)) {
      made.rows = new (arena_->take<TextRows>(1)) TextRows(texts, *arena_);
    }
    return *made.rows;
  }

 private:
  struct Made {
    const int32_t* offsets = nullptr;  // the column's: by them it is found
    const void* bytes = nullptr;
    int64_t length = 0;
    const uint64_t* codes = nullptr;
    const TextRows* rows = nullptr;
  };

  // The entry of a column: in a table of a power of two, at most half full.
  Made& entry(const int32_t* offsets) {
    if (2 * (used_ + 1) > table_.size()) enlarge();
    Made& made = table_[place(offsets)];
    if (made.offsets == nullptr) {
      made.offsets = offsets;
      ++used_;
    }
    return made;
  }

  // Where an entry is, or would be. Pieces of an arena lie 64 bytes apart.
  size_t place(const int32_t* offsets) const {
    const size_t mask = table_.size() - 1;
    size_t at = (reinterpret_cast<uintptr_t>(offsets) >> 6) & mask;
    while (table_[at].offsets != nullptr && table_[at].offsets != offsets) at = (at + 1) & mask;
    return at;
  }

  void enlarge() {
    std::vector<Made> old(table_.empty() ? kLeastTable : 2 * table_.size());
    old.swap(table_);
    for (const Made& made : old) {
      if (made.offsets != nullptr) table_[place(made.offsets)] = made;
    }
  }

  static constexpr size_t kLeastTable = 128;
  Arena* arena_;
  std::vector<Made> table_;
  size_t used_ = 0;
};

}  // namespace feat
