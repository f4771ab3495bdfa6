#include "engine/rows_many.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>

#include "engine/cpu.h"
#include "engine/divisor.h"

namespace feat {
namespace {

#define FEATDSL_LOOPS "engine/row_lanes.h"
#include "engine/each_simd.h"
namespace base {
#include "engine/lanes_base.h"
//
#include "engine/row_lanes.h"
}  // namespace base

template <class T>
void count_edges_scalar(const T* values, const T* edges, int64_t edge_count, bool right, int64_t from, int64_t rows,
                        int64_t* out) {
  for (int64_t i = from; i < rows; ++i) {
    int64_t passed = 0;
    for (int64_t e = 0; e < edge_count; ++e) passed += right ? edges[e] < values[i] : edges[e] <= values[i];
    out[i] = passed;
  }
}

// Four integers beside each edge; in the order of unsigned ones, since what these comparisons say is added as it is.
template <class Passes>
int64_t count_edges_by_four(const int64_t* values, const int64_t* edges, int64_t edge_count, int64_t from, int64_t rows,
                            int64_t* out, Passes passes) {
  constexpr uint64_t kSign = uint64_t{1} << 63;
  int64_t i = from;
  for (; i + 4 <= rows; i += 4) {
    uint64_t value[4];
    int64_t passed[4] = {};
    for (int k = 0; k < 4; ++k) value[k] = static_cast<uint64_t>(values[i + k]) ^ kSign;
    for (int64_t e = 0; e < edge_count; ++e) {
      const uint64_t edge = static_cast<uint64_t>(edges[e]) ^ kSign;
      for (int k = 0; k < 4; ++k) passed[k] += passes(edge, value[k]);
    }
    std::copy_n(passed, 4, out + i);
  }
  return i;
}

// Rows that are read whole, past their end, and masked: that has no branch to guess wrong.
constexpr int64_t kMasked = 32;
constexpr auto kMasks = [] {
  std::array<uint64_t, 2 * kMasked> masks{};
  for (size_t k = 0; k < kMasked; ++k) masks[k] = ~uint64_t{0};
  return masks;
}();

}  // namespace

void pad_rows(const uint64_t* from, const int32_t* offsets, int64_t rows, int64_t width, uint64_t fill, uint64_t* out) {
  if (FEATDSL_LANES(pad_rows(from, offsets, rows, width, fill, out)) == rows) return;
  const base::Lanes filled = base::all(fill);
  for (int64_t i = 0; i < rows; ++i, out += width) {
    const int64_t kept = std::min<int64_t>(width, offsets[i + 1] - offsets[i]);
    const uint64_t* row = from + offsets[i];
    if (width > kMasked) {
      std::fill(std::copy_n(row, kept, out), out + width, fill);
      continue;
    }
    const uint64_t* masks = kMasks.data() + kMasked - kept;
    for (int64_t k = 0; k < width; k += base::kLanes) {
      base::store(out + k, base::choose(base::load(masks + k), base::load(row + k), filled));
    }
  }
}

void choose_valid(const uint8_t* valid, const uint64_t* values, const uint64_t* others, int64_t step, int64_t rows,
                  uint64_t* out) {
  int64_t i = FEATDSL_ANY_LANES(choose_valid(valid, values, others, step, rows, out));
  for (; i < rows; ++i) out[i] = valid[i] ? values[i] : others[i * step];
}

void choose_valid(const uint8_t* valid, const uint8_t* values, const uint8_t* others, int64_t step, int64_t rows,
                  uint8_t* __restrict__ out) {
  const auto chosen = [&](int64_t i, uint8_t other) {
    const auto mask = static_cast<uint8_t>(-valid[i]);
    return static_cast<uint8_t>((values[i] & mask) | (other & ~mask));
  };
  if (step == 0) {
    const uint8_t other = rows > 0 ? others[0] : 0;
    for (int64_t i = 0; i < rows; ++i) out[i] = chosen(i, other);
  } else {
    for (int64_t i = 0; i < rows; ++i) out[i] = chosen(i, others[i]);
  }
}

void doubles_of(const int64_t* values, int64_t rows, double* out) {
  for (int64_t i = FEATDSL_ANY_LANES(doubles_of(values, rows, out)); i < rows; ++i)
    out[i] = static_cast<double>(values[i]);
}

bool divide_rows(const double* a, int64_t a_step, const double* b, int64_t b_step, int64_t rows, double* out) {
  bool any_zero = false;
  for (int64_t i = FEATDSL_ANY_LANES(divide_rows(a, a_step, b, b_step, rows, out, any_zero)); i < rows; ++i) {
    out[i] = a[i * a_step] / b[i * b_step];
    any_zero |= b[i * b_step] == 0.0;
  }
  return any_zero;
}

void count_edges(const int64_t* values, const int64_t* edges, int64_t edge_count, bool right, int64_t rows,
                 int64_t* out) {
  int64_t done = FEATDSL_LANES(count_edges(values, edges, edge_count, right, rows, reinterpret_cast<uint64_t*>(out)));
  done = right ? count_edges_by_four(values, edges, edge_count, done, rows, out, std::less<uint64_t>())
               : count_edges_by_four(values, edges, edge_count, done, rows, out, std::less_equal<uint64_t>());
  count_edges_scalar(values, edges, edge_count, right, done, rows, out);
}

void count_edges(const double* values, const double* edges, int64_t edge_count, bool right, int64_t rows,
                 int64_t* out) {
  const int64_t done =
      FEATDSL_ANY_LANES(count_edges(values, edges, edge_count, right, rows, reinterpret_cast<uint64_t*>(out)));
  count_edges_scalar(values, edges, edge_count, right, done, rows, out);
}

void find_codes(const uint64_t* codes, int64_t count, const uint64_t* few, int64_t few_count, uint64_t* found) {
  int64_t i = FEATDSL_ANY_LANES(find_codes(codes, count, few, few_count, found));
  uint64_t known = 0;  // by the last bits
  for (int64_t k = 0; k < few_count; ++k) known |= uint64_t{1} << (few[k] & 63);
  for (; i < count; ++i) {
    found[i] = 0;
    if ((known >> (codes[i] & 63) & 1) == 0) continue;
    for (int64_t k = 0; k < few_count; ++k) found[i] |= uint64_t{codes[i] == few[k]} << k;
  }
}

void count_bits_of_rows(const uint64_t* words, const int32_t* offsets, int64_t rows, int64_t* counts) {
  for (int64_t i = FEATDSL_ANY_LANES(count_bits_of_rows(words, offsets, rows, counts)); i < rows; ++i) {
    uint64_t bits = 0;
    for (int32_t k = offsets[i]; k < offsets[i + 1]; ++k) bits |= words[k];
    counts[i] = std::popcount(bits);
  }
}

}  // namespace feat
