// Loops of engine/rows_many.h over lanes. Included once for each instruction set.

// `count` words at `from`, then `fill`, `width` in all. Reads and writes whole vectors: up to kLanes - 1 words too
// many.
inline void pad_row(const uint64_t* from, int64_t count, Lanes fill, int64_t width, uint64_t* out) {
  for (int64_t k = 0; k < width; k += kLanes) {
    store(out + k, choose(first_lanes(count - k), load(from + k), fill));
  }
}

inline int64_t pad_rows(const uint64_t* from, const int32_t* offsets, int64_t rows, int64_t width, uint64_t fill,
                        uint64_t* out) {
  const Lanes filled = all(fill);
  for (int64_t i = 0; i < rows; ++i, out += width) {
    pad_row(from + offsets[i], offsets[i + 1] - offsets[i], filled, width, out);
  }
  return rows;
}

inline int64_t choose_valid(const uint8_t* valid, const uint64_t* values, const uint64_t* others, int64_t step,
                            int64_t rows, uint64_t* out) {
  const Lanes one = all(rows > 0 ? others[0] : 0);
  int64_t i = 0;
  for (; i + kLanes <= rows; i += kLanes) {
    store(out + i, choose(mask_of(valid + i), load(values + i), step == 0 ? one : load(others + i)));
  }
  return i;
}

inline int64_t doubles_of(const int64_t* values, int64_t rows, double* out) {
  int64_t i = 0;
  for (; i + kLanes <= rows; i += kLanes) {
    store(out + i, doubles_of(load(reinterpret_cast<const uint64_t*>(values + i))));
  }
  return i;
}

inline int64_t divide_rows(const double* a, int64_t a_step, const double* b, int64_t b_step, int64_t rows, double* out,
                           bool& any_zero) {
  const Doubles first_a = all_doubles(rows > 0 ? a[0] : 0.0), first_b = all_doubles(rows > 0 ? b[0] : 1.0);
  const Doubles zero = all_doubles(0.0);
  int64_t i = 0;
  for (; i + kLanes <= rows; i += kLanes) {
    const Doubles divisor = b_step == 0 ? first_b : load(b + i);
    any_zero |= any(equal(divisor, zero));
    store(out + i, (a_step == 0 ? first_a : load(a + i)) / divisor);
  }
  return i;
}

inline int64_t count_edges(const double* values, const double* edges, int64_t edge_count, bool right, int64_t rows,
                           uint64_t* out) {
  int64_t i = 0;
  for (; i + kLanes <= rows; i += kLanes) {
    const Doubles value = load(values + i);
    Lanes passed = all(0);
    for (int64_t e = 0; e < edge_count; ++e) {
      const Doubles edge = all_doubles(edges[e]);
      passed = plus_one(right ? less(edge, value) : not_more(edge, value), passed);
    }
    store(out + i, passed);
  }
  return i;
}

inline int64_t count_edges(const int64_t* values, const int64_t* edges, int64_t edge_count, bool right, int64_t rows,
                           uint64_t* out) {
  int64_t i = 0;
  for (; i + kLanes <= rows; i += kLanes) {
    const Lanes value = load(reinterpret_cast<const uint64_t*>(values + i));
    Lanes passed = all(0);
    for (int64_t e = 0; e < edge_count; ++e) {
      const Lanes edge = all(static_cast<uint64_t>(edges[e]));
      passed = right ? plus_one(less(edge, value), passed) : plus_one_unless(less(value, edge), passed);
    }
    store(out + i, passed);
  }
  return i;
}

inline int64_t find_codes(const uint64_t* codes, int64_t count, const uint64_t* few, int64_t few_count,
                          uint64_t* found) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Lanes code = load(codes + i);
    Lanes bits = all(0);
    for (int64_t k = 0; k < few_count; ++k) {
      bits = either(bits, choose(equal(code, all(few[k])), all(uint64_t{1} << k), all(0)));
    }
    store(found + i, bits);
  }
  return i;
}

inline int64_t count_bits_of_rows(const uint64_t* words, const int32_t* offsets, int64_t rows, int64_t* counts) {
  for (int64_t i = 0; i < rows; ++i) {
    const uint64_t* row = words + offsets[i];
    const int64_t size = offsets[i + 1] - offsets[i];
    Lanes bits =
        choose(first_lanes(size), load(row), all(0));  // of no element too: most rows are done without a branch
    for (int64_t w = kLanes; w < size; w += kLanes) {
      bits = either(bits, choose(first_lanes(size - w), load(row + w), all(0)));
    }
    counts[i] = count_ones(either_of_all(bits));
  }
  return rows;
}
