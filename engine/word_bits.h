// Which bytes of a text belong to words, and where the words lie: for many texts at once, with the instructions that
// `simd()` says, to the same bits.
#pragma once

#include <cstdint>

namespace feat {

// Sets bit i % 64 of bits[i / 64] for each byte i of the text that is a letter, a digit of ASCII or an underscore; the
// bits of other bytes are 0, those behind the text may be anything. Up to 64 bytes behind the text are read: an Arena
// has them.
void ascii_word_bits(const char* bytes, int64_t size, uint64_t* bits);

// Where the words of many texts lie that stand one behind the other.
struct WordPlaces {
  int32_t* starts;  // of words: room for (size + rows) / 2 + 8
  int32_t* stops;   // the same
  int32_t* ends;    // how many words the rows up to a row's end have: rows + 1
};
// Text i is the bytes offsets[i] to offsets[i + 1], as in a Column; `bits` are those of all of them, and are lost. Both
// `bits` and `scratch` have offsets[rows] / 64 + 1 words. Returns how many words there are.
int64_t word_places(uint64_t* bits, uint64_t* scratch, const int32_t* offsets, int64_t rows, const WordPlaces& places);

}  // namespace feat
