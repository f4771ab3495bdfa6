#include "engine/hash_many.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <array>
#include <bit>
#include <string_view>

#include "engine/cpu.h"
#include "engine/xxh64.h"

namespace feat {

// --- one instruction set after the other, each with its own copy of engine/hash_lanes.h ---------------------------

#if defined(__x86_64__)

// What stands between the two is compiled for processors with the named instructions.
#define FEATDSL_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define FEATDSL_BEGIN_TARGET(names) \
  FEATDSL_PRAGMA(clang attribute push(__attribute__((target(names))), apply_to = function))
#define FEATDSL_END_TARGET FEATDSL_PRAGMA(clang attribute pop)
#else
#define FEATDSL_BEGIN_TARGET(names) FEATDSL_PRAGMA(GCC push_options) FEATDSL_PRAGMA(GCC target(names))
#define FEATDSL_END_TARGET FEATDSL_PRAGMA(GCC pop_options)
#endif

namespace {

FEATDSL_BEGIN_TARGET("avx512f,avx512dq")
namespace avx512 {
using namespace xxh64_detail;
#include "engine/lanes_avx512.h"
//
#include "engine/hash_lanes.h"
}  // namespace avx512
FEATDSL_END_TARGET

FEATDSL_BEGIN_TARGET("avx2")
namespace avx2 {
using namespace xxh64_detail;
#include "engine/lanes_avx2.h"
//
#include "engine/hash_lanes.h"
}  // namespace avx2
FEATDSL_END_TARGET

}  // namespace

// How many of the values the lanes do, from the first; 0 without lanes.
#define FEATDSL_LANES(call) (simd() == Simd::Avx512 ? avx512::call : simd() == Simd::Avx2 ? avx2::call : int64_t{0})
#else
#define FEATDSL_LANES(call) int64_t{0}
#endif

// --- the rest of each, and all of it without lanes ------------------------------------------------------------------

void xxh64_texts(const char* bytes, const int32_t* offsets, int64_t count, uint64_t seed, uint64_t* out) {
  bool any_long = false;
  const int64_t done = FEATDSL_LANES(hash_texts(bytes, offsets, count, seed, out, any_long));
  const auto text = [&](int64_t i) {
    return std::string_view(bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i]));
  };
  for (int64_t i = 0; any_long && i < done; ++i) {
    if (offsets[i + 1] - offsets[i] >= 32) out[i] = xxh64(text(i), seed);
  }
  for (int64_t i = done; i < count; ++i) out[i] = xxh64(text(i), seed);
}

void xxh64_words(const uint64_t* words, int64_t count, uint64_t seed, uint64_t* out) {
  for (int64_t i = FEATDSL_LANES(hash_words(words, nullptr, seed, count, out)); i < count; ++i) {
    out[i] = xxh64(words[i], seed);
  }
}

void xxh64_words(const uint64_t* words, const uint64_t* seeds, int64_t count, uint64_t* out) {
  for (int64_t i = FEATDSL_LANES(hash_words(words, seeds, 0, count, out)); i < count; ++i) {
    out[i] = xxh64(words[i], seeds[i]);
  }
}

void xxh64_word(uint64_t word, const uint64_t* seeds, int64_t count, uint64_t* out) {
  for (int64_t i = FEATDSL_LANES(hash_word_with(word, seeds, count, out)); i < count; ++i) {
    out[i] = xxh64(word, seeds[i]);
  }
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

Fold::Fold(int64_t divisor, int64_t first)
    : numbers_{static_cast<uint64_t>(divisor), 0, 0, static_cast<uint64_t>(first)} {
  if (divisor == 1) return;
  const int bits = std::bit_width(static_cast<uint64_t>(divisor) - 1);  // 2^(bits - 1) < divisor <= 2^bits
  const auto power = static_cast<unsigned __int128>(1) << (63 + bits);
  numbers_.multiplier = static_cast<uint64_t>((power + numbers_.divisor - 1) / numbers_.divisor);
  numbers_.shift = bits - 1;
}

void Fold::operator()(const int64_t* codes, int64_t count, int64_t* out) const {
  int64_t i = 0;
  if (numbers_.divisor != 1) {
    const auto* from = reinterpret_cast<const uint64_t*>(codes);
    i = FEATDSL_LANES(fold_codes(from, count, numbers_, reinterpret_cast<uint64_t*>(out)));
  }
  for (; i < count; ++i) out[i] = (*this)(codes[i]);
}

}  // namespace feat
