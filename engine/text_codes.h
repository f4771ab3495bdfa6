// The hashes of a call's texts, each column's made once: `hash`, `cross`, `lookup` and `overlap_count` of one field
// share them.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "engine/arena.h"
#include "engine/column.h"
#include "engine/hash_many.h"

namespace feat {

class TextCodes {
 public:
  static constexpr uint64_t kSeed = 42;

  // Results lie in `arena`, and live as long as the columns do.
  explicit TextCodes(Arena& arena) : arena_(&arena) {}

  // XXH64, seed 42, of each text of a Str column; of a null row that of the empty text.
  const uint64_t* of(const Column& texts) {
    Made& made = made_[texts.offsets];
    if (made.codes == nullptr || made.bytes != texts.data || made.length < texts.length) {
      auto* codes = arena_->take<uint64_t>(texts.length);
      xxh64_texts(texts.bytes(), texts.offsets, texts.length, kSeed, codes);
      made = {texts.data, texts.length, codes};
    }
    return made.codes;
  }

 private:
  struct Made {
    const void* bytes = nullptr;
    int64_t length = 0;
    const uint64_t* codes = nullptr;
  };
  Arena* arena_;
  std::unordered_map<const int32_t*, Made> made_;  // by the texts' offsets
};

}  // namespace feat
