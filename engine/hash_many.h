// XXH64 of many values at once, and their fold into buckets: with the lanes that `simd()` says, to the same bits.
#pragma once

#include <cstdint>

#include "engine/divisor.h"

namespace feat {

// Of texts: text i lies from offsets[i] to offsets[i + 1] (as in a Column). Up to 32 bytes behind a text are read too:
// an Arena has them.
void xxh64_texts(const char* bytes, const int32_t* offsets, int64_t count, uint64_t seed, uint64_t* out);

// Of the 8 bytes of each word; `out` may be `words`.
void xxh64_words(const uint64_t* words, int64_t count, uint64_t seed, uint64_t* out);
// With a seed for each; `out` may be `words` or `seeds`.
void xxh64_words(const uint64_t* words, const uint64_t* seeds, int64_t count, uint64_t* out);
// Of one word with each of the seeds; `out` may be `seeds`.
void xxh64_word(uint64_t word, const uint64_t* seeds, int64_t count, uint64_t* out);

// Where the elements of each row's list lie.
struct ListRows {
  const uint64_t* values;
  const int32_t* starts;
  const int32_t* sizes;
};
// Each of a row's words with each of its seeds, the seeds slower, row after row. `sizes` are those of the rows'
// results: 0 of a row that is left out. Up to 64 bytes behind a row's words and seeds are read, and behind the last
// result written: an Arena has them.
void xxh64_products(const ListRows& seeds, const ListRows& words, const int32_t* sizes, int64_t rows, uint64_t* out);

// `xxh64_products` where all rows have the same seeds: row i's words are words[offsets[i]] up to words[offsets[i + 1]],
// its results follow those of the rows before it. `table` has room for `seed_count * kTableColumns`.
inline constexpr int32_t kTableColumns = 256;
void xxh64_same_seeds(const uint64_t* seeds, int32_t seed_count, const uint64_t* words, const int32_t* offsets,
                      int64_t rows, uint64_t* table, uint64_t* out);

// first + floormod(code, divisor), in wrapping arithmetic.
class Fold {
 public:
  // 1 <= divisor.
  Fold(int64_t divisor, int64_t first);
  int64_t operator()(int64_t code) const {
    return static_cast<int64_t>(divisor_.value == 1 ? first_ : by_more_than_one(code));
  }
  // 2 <= divisor.
  uint64_t by_more_than_one(int64_t code) const {
    const auto sign = static_cast<uint64_t>(code >> 63);
    const uint64_t magnitude = static_cast<uint64_t>(code) ^ sign;
    const auto product = static_cast<unsigned __int128>(magnitude) * divisor_.multiplier;
    const uint64_t quotient = static_cast<uint64_t>(product >> 64) >> divisor_.shift;
    // Of a negative code: floormod(-x - 1, d) is d - 1 - floormod(x, d).
    const uint64_t rest = (magnitude - quotient * divisor_.value) ^ sign;
    return rest + (divisor_.value & sign) + first_;
  }
  // `out` may be `codes`. With `valid`, 0 where that is 0.
  void operator()(const int64_t* codes, int64_t count, int64_t* out, const uint8_t* valid = nullptr) const;
  const Divisor& divisor() const { return divisor_; }
  uint64_t first() const { return first_; }

 private:
  Divisor divisor_;
  uint64_t first_;
};

// `xxh64_same_seeds`, each hash folded, each row's results cut or filled up to `width`, at most kTableColumns. Up to 64
// bytes behind the last result are written.
void xxh64_same_seeds_padded(const uint64_t* seeds, int32_t seed_count, const uint64_t* words, const int32_t* offsets,
                             int64_t rows, uint64_t* table, const Fold& fold, int64_t width, uint64_t fill,
                             uint64_t* out);

}  // namespace feat
