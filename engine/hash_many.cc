#include "engine/hash_many.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

#include "engine/cpu.h"
#include "engine/xxh64.h"

namespace feat {

namespace {

using namespace xxh64_detail;

// Where the rows from `from` on end whose words have room in the table together; one row at least.
int64_t end_of_table(const int32_t* offsets, int64_t from, int64_t rows) {
  const int64_t last = int64_t{offsets[from]} + kTableColumns;
  return std::upper_bound(offsets + from + 2, offsets + rows + 1, last) - offsets - 1;
}

#define FEATDSL_LOOPS "engine/hash_lanes.h"
#include "engine/each_simd.h"
namespace base {
#include "engine/lanes_base.h"
//
#include "engine/pad_lanes.h"
}  // namespace base

}  // namespace

// --- the rest of each, and all of it without lanes ------------------------------------------------------------------

namespace {

// Texts of 32 bytes and more come out wrong. Returns whether there are such.
bool hash_texts(const char* bytes, const int32_t* offsets, int64_t count, uint64_t seed, uint64_t* out) {
  constexpr int kTogether = 4;
  if (count < kTogether) {
    for (int64_t i = 0; i < count; ++i) xxh64_short<1>(bytes, offsets + i, seed, out + i);
  } else {
    // The last ones, some of them again.
    for (int64_t i = 0; i < count; i += kTogether) {
      const int64_t first = std::min(i, count - kTogether);
      xxh64_short<kTogether>(bytes, offsets + first, seed, out + first);
    }
  }
  bool any_long = false;
  for (int64_t i = 0; i < count; ++i) any_long |= offsets[i + 1] - offsets[i] >= 32;
  return any_long;
}

}  // namespace

void xxh64_texts(const char* bytes, const int32_t* offsets, int64_t count, uint64_t seed, uint64_t* out) {
  bool any_long = false;
  if (FEATDSL_LANES(hash_texts(bytes, offsets, count, seed, out, any_long)) != count) {
    any_long = hash_texts(bytes, offsets, count, seed, out);
  }
  for (int64_t i = 0; any_long && i < count; ++i) {
    const auto size = static_cast<size_t>(offsets[i + 1] - offsets[i]);
    if (size >= 32) out[i] = xxh64(std::string_view(bytes + offsets[i], size), seed);
  }
}

void xxh64_words(const uint64_t* words, int64_t count, uint64_t seed, uint64_t* out) {
  int64_t i = FEATDSL_LANES(hash_words(words, nullptr, seed, count, out));
#pragma GCC unroll 4
  for (; i < count; ++i) out[i] = xxh64(words[i], seed);
}

void xxh64_words(const uint64_t* words, const uint64_t* seeds, int64_t count, uint64_t* out) {
  int64_t i = FEATDSL_LANES(hash_words(words, seeds, 0, count, out));
#pragma GCC unroll 4
  for (; i < count; ++i) out[i] = xxh64(words[i], seeds[i]);
}

void xxh64_word(uint64_t word, const uint64_t* seeds, int64_t count, uint64_t* out) {
  int64_t i = FEATDSL_LANES(hash_word_with(word, seeds, count, out));
#pragma GCC unroll 4
  for (; i < count; ++i) out[i] = xxh64(word, seeds[i]);
}

void xxh64_products(const ListRows& seeds, const ListRows& words, const int32_t* sizes, int64_t rows, uint64_t* out) {
  if (FEATDSL_LANES(hash_products(seeds, words, sizes, rows, out)) == rows) return;
  for (int64_t i = 0; i < rows; ++i) {
    if (sizes[i] == 0) continue;
    for (int32_t s = 0; s < seeds.sizes[i]; ++s) {
      const uint64_t seed = seeds.values[seeds.starts[i] + s];
      for (int32_t w = 0; w < words.sizes[i]; ++w) *out++ = xxh64(words.values[words.starts[i] + w], seed);
    }
  }
}

namespace {

// The part of `xxh64` that no seed is needed for.
uint64_t mixed_word(uint64_t word) { return xxh64_detail::round(0, word); }
uint64_t hash_mixed(uint64_t mixed, uint64_t seed) {
  using namespace xxh64_detail;
  return avalanche(std::rotl((seed + kPrime5 + 8) ^ mixed, 27) * kPrime1 + kPrime4);
}

}  // namespace

void xxh64_same_seeds(const uint64_t* seeds, int32_t seed_count, const uint64_t* words, const int32_t* offsets,
                      int64_t rows, uint64_t* table, uint64_t* out) {
  if (FEATDSL_LANES(hash_same_seeds(seeds, seed_count, words, offsets, rows, table, out)) == rows) return;
  for (int64_t from = 0; from < rows;) {
    const int64_t to = end_of_table(offsets, from, rows);
    const int32_t first = offsets[from], count = offsets[to] - first;
    const bool in_table = count <= kTableColumns;
    for (int32_t w = 0; in_table && w < count; ++w) table[w] = mixed_word(words[first + w]);
    for (; from < to; ++from) {
      for (int32_t s = 0; s < seed_count; ++s) {
        for (int32_t w = offsets[from]; w < offsets[from + 1]; ++w) {
          *out++ = hash_mixed(in_table ? table[w - first] : mixed_word(words[w]), seeds[s]);
        }
      }
    }
  }
}

Fold::Fold(int64_t divisor, int64_t first)
    : divisor_{static_cast<uint64_t>(divisor), 0, 0, 1.0 / static_cast<double>(divisor)},
      first_(static_cast<uint64_t>(first)) {
  if (divisor == 1) return;
  const int bits = std::bit_width(divisor_.value - 1);  // 2^(bits - 1) < divisor <= 2^bits
  const auto power = static_cast<unsigned __int128>(1) << (63 + bits);
  divisor_.multiplier = static_cast<uint64_t>((power + divisor_.value - 1) / divisor_.value);
  divisor_.shift = bits - 1;
}

void Fold::operator()(const int64_t* codes, int64_t count, int64_t* out, const uint8_t* valid) const {
  int64_t i = 0;
  if (divisor_.value != 1) {
    i = FEATDSL_LANES(fold_codes(reinterpret_cast<const uint64_t*>(codes), count, divisor_, first_, valid,
                                 reinterpret_cast<uint64_t*>(out)));
  }
  const Fold fold = *this;  // which nothing that is written can change
  if (valid == nullptr) {
#pragma GCC unroll 4
    for (; i < count; ++i) out[i] = fold(codes[i]);
  } else {
#pragma GCC unroll 4
    for (; i < count; ++i) out[i] = fold(codes[i]) & -int64_t{valid[i]};
  }
}

namespace {

// One row of codes a seed, two words beside each other: up to kTableColumns words, and what lies behind an odd number.
void fold_table(const uint64_t* seeds, int32_t seed_count, const uint64_t* words, int32_t count, const Fold fold,
                uint64_t* table) {
  if (fold.divisor().value == 1) {
    std::fill_n(table, int64_t{seed_count} * kTableColumns, fold.first());
    return;
  }
  for (int32_t w = 0; w < count; w += 2) {
    const uint64_t mixed[] = {mixed_word(words[w]), mixed_word(words[w + 1])};
    for (int32_t s = 0; s < seed_count; ++s) {
      for (int32_t k = 0; k < 2; ++k) {
        const auto code = static_cast<int64_t>(hash_mixed(mixed[k], seeds[s]));
        table[s * kTableColumns + w + k] = fold.by_more_than_one(code);
      }
    }
  }
}

}  // namespace

void xxh64_same_seeds_padded(const uint64_t* seeds, int32_t seed_count, const uint64_t* words, const int32_t* offsets,
                             int64_t rows, uint64_t* table, const Fold& fold, int64_t width, uint64_t fill,
                             uint64_t* out) {
  if (fold.divisor().value != 1 &&
      FEATDSL_LANES(hash_same_seeds_padded(seeds, seed_count, words, offsets, rows, table, fold.divisor(), fold.first(),
                                           width, fill, out)) == rows) {
    return;
  }
  for (int64_t from = 0; from < rows;) {
    const int64_t to = end_of_table(offsets, from, rows);
    const int32_t first = offsets[from], count = std::min(offsets[to] - first, kTableColumns);
    fold_table(seeds, seed_count, words + first, count, fold, table);
    for (; from < to; ++from, out += width) {
      const int32_t size = std::min(offsets[from + 1] - offsets[from], kTableColumns);
      base::pad_products(table + offsets[from] - first, seed_count, size, base::all(fill), width, out);
    }
  }
}

}  // namespace feat
