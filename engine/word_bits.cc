#include "engine/word_bits.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cstring>

#include "engine/cpu.h"

namespace feat {

namespace {

// --- 8 bytes in a word ----------------------------------------------------------------------------------------------

constexpr uint64_t all(uint64_t byte) { return byte * 0x0101010101010101ULL; }

// The highest bit of each byte says whether it is `first` or more; bytes are below 128.
constexpr uint64_t from(uint64_t bytes, char first) {
  return bytes + all(0x80 - static_cast<uint64_t>(static_cast<unsigned char>(first)));
}
constexpr uint64_t between(uint64_t bytes, char first, char last) {
  return from(bytes, first) & ~from(bytes, static_cast<char>(last + 1));
}

void scalar(const char* bytes, int64_t size, uint64_t* bits) {
  for (int64_t i = 0; i < size; i += 64) {
    uint64_t found = 0;
    for (int part = 0; part < 64; part += 8) {
      uint64_t word;
      std::memcpy(&word, bytes + i + part, 8);
      const uint64_t low = word & all(0x7F);
      const uint64_t any = between(low | all(0x20), 'a', 'z') | between(low, '0', '9') | between(low, '_', '_');
      const uint64_t highest = any & ~word & all(0x80);
      found |= (highest >> 7) * 0x0102040810204080ULL >> 56 << part;  // a bit a byte, the first byte lowest
    }
    bits[i / 64] = found;
  }
}

#if defined(__x86_64__)

// --- 32 bytes -------------------------------------------------------------------------------------------------------

// Bytes between two that are below 128, as signed bytes: those from 128 on are negative.
__attribute__((target("avx2"))) inline __m256i between(__m256i bytes, char first, char last) {
  return _mm256_and_si256(_mm256_cmpgt_epi8(bytes, _mm256_set1_epi8(static_cast<char>(first - 1))),
                          _mm256_cmpgt_epi8(_mm256_set1_epi8(static_cast<char>(last + 1)), bytes));
}

__attribute__((target("avx2"))) inline uint32_t word_bytes(__m256i bytes) {
  const __m256i letters = between(_mm256_or_si256(bytes, _mm256_set1_epi8(0x20)), 'a', 'z');
  const __m256i others = _mm256_or_si256(between(bytes, '0', '9'), _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('_')));
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_or_si256(letters, others)));
}

__attribute__((target("avx2"))) void avx2(const char* bytes, int64_t size, uint64_t* bits) {
  for (int64_t i = 0; i < size; i += 64) {
    const auto* at = reinterpret_cast<const __m256i*>(bytes + i);
    const uint64_t low = word_bytes(_mm256_loadu_si256(at));
    bits[i / 64] = low | uint64_t{word_bytes(_mm256_loadu_si256(at + 1))} << 32;
  }
}

// --- 64 bytes -------------------------------------------------------------------------------------------------------

__attribute__((target("avx512bw"))) inline uint64_t between(__m512i bytes, char first, char last) {
  const __m512i shifted = _mm512_sub_epi8(bytes, _mm512_set1_epi8(first));
  return _mm512_cmplt_epu8_mask(shifted, _mm512_set1_epi8(static_cast<char>(last - first + 1)));
}

__attribute__((target("avx512bw"))) void avx512(const char* bytes, int64_t size, uint64_t* bits) {
  for (int64_t i = 0; i < size; i += 64) {
    const __m512i some = _mm512_loadu_si512(bytes + i);
    const uint64_t letters = between(_mm512_or_si512(some, _mm512_set1_epi8(0x20)), 'a', 'z');
    bits[i / 64] = letters | between(some, '0', '9') | between(some, '_', '_');
  }
}

#endif

}  // namespace

// --- places ---------------------------------------------------------------------------------------------------------

namespace {

// Inlined into functions for the processors whose instructions count zeros and ones.
#define FEATDSL_INLINE __attribute__((always_inline)) inline

// Writes where the ones stand, eight at a time: that has few branches to guess wrong. Returns the end of what counts.
FEATDSL_INLINE int32_t* append_ones(uint64_t bits, int32_t base, int32_t* out) {
  int32_t* end = out + std::popcount(bits);
  for (; out < end; out += 8) {
    for (int k = 0; k < 8; ++k) {
      out[k] = base + std::countr_zero(bits);
      bits &= bits - 1;
    }
  }
  return end;
}

FEATDSL_INLINE int64_t places_of(uint64_t* bits, uint64_t* rows_begin, const int32_t* offsets, int64_t rows,
                                 const WordPlaces& places) {
  const int64_t size = offsets[rows], blocks = size / 64 + 1;
  std::fill_n(rows_begin, blocks, 0);
  for (int64_t row = 0; row < rows; ++row) rows_begin[offsets[row] / 64] |= uint64_t{1} << (offsets[row] % 64);
  bits[size / 64] &= (uint64_t{1} << (size % 64)) - 1;
  int32_t* starts = places.starts;
  int32_t* stops = places.stops;
  uint64_t last = 0;  // of the block before
  for (int64_t block = 0; block < blocks; ++block) {
    const auto base = static_cast<int32_t>(block * 64);
    const uint64_t here = bits[block], before = here << 1 | last >> 63, cuts = rows_begin[block];
    last = here;
    const uint64_t begins = here & (~before | cuts);
    bits[block] = begins;
    rows_begin[block] = static_cast<uint64_t>(starts - places.starts);  // how many there are before the block
    starts = append_ones(begins, base, starts);
    stops = append_ones(before & (~here | cuts), base, stops);
  }
  places.ends[0] = 0;
  for (int64_t row = 0; row < rows; ++row) {
    const int32_t end = offsets[row + 1];
    const uint64_t below = (uint64_t{1} << (end % 64)) - 1;
    places.ends[row + 1] = static_cast<int32_t>(rows_begin[end / 64]) + std::popcount(bits[end / 64] & below);
  }
  return starts - places.starts;
}

#if defined(__x86_64__)
__attribute__((target("bmi,popcnt"))) int64_t places_of_bmi(uint64_t* bits, uint64_t* scratch, const int32_t* offsets,
                                                            int64_t rows, const WordPlaces& places) {
  return places_of(bits, scratch, offsets, rows, places);
}
#endif

}  // namespace

// --- by what the processor has --------------------------------------------------------------------------------------

int64_t word_places(uint64_t* bits, uint64_t* scratch, const int32_t* offsets, int64_t rows, const WordPlaces& places) {
#if defined(__x86_64__)
  if (simd() != Simd::Scalar) return places_of_bmi(bits, scratch, offsets, rows, places);
#endif
  return places_of(bits, scratch, offsets, rows, places);
}

void ascii_word_bits(const char* bytes, int64_t size, uint64_t* bits) {
#if defined(__x86_64__)
  if (simd() == Simd::Avx512) return avx512(bytes, size, bits);
  if (simd() == Simd::Avx2) return avx2(bytes, size, bits);
#endif
  scalar(bytes, size, bits);
}

}  // namespace feat
