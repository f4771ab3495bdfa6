// Work on many rows at once that no compiler makes lanes of: with those that `simd()` says, to the same bits.
#pragma once

#include <cstdint>

namespace feat {

// Each row's words from[offsets[i]] up to from[offsets[i + 1]], cut or filled up to `width`. Up to 256 bytes behind
// a row are read, and up to 64 behind the last result written: an Arena has them.
void pad_rows(const uint64_t* from, const int32_t* offsets, int64_t rows, int64_t width, uint64_t fill, uint64_t* out);

// values[i] where valid[i], else others[i * step].
void choose_valid(const uint8_t* valid, const uint64_t* values, const uint64_t* others, int64_t step, int64_t rows,
                  uint64_t* out);

void choose_valid(const uint8_t* valid, const uint8_t* values, const uint8_t* others, int64_t step, int64_t rows,
                  uint8_t* out);

// Each rounded to nearest even.
void doubles_of(const int64_t* values, int64_t rows, double* out);

// a[i * a_step] / b[i * b_step]. Returns whether a divisor is 0.
bool divide_rows(const double* a, int64_t a_step, const double* b, int64_t b_step, int64_t rows, double* out);

// How many of the edges are not greater than each value (`right`: less); of NaN none.
void count_edges(const int64_t* values, const int64_t* edges, int64_t edge_count, bool right, int64_t rows,
                 int64_t* out);
void count_edges(const double* values, const double* edges, int64_t edge_count, bool right, int64_t rows, int64_t* out);

// Bit k of found[i]: whether codes[i] is few[k]. At most 64 few, all different.
void find_codes(const uint64_t* codes, int64_t count, const uint64_t* few, int64_t few_count, uint64_t* found);

// How many bits are set in any word of each row. Up to 64 bytes behind a row are read.
void count_bits_of_rows(const uint64_t* words, const int32_t* offsets, int64_t rows, int64_t* counts);

}  // namespace feat
