// XXH64 and the fold into buckets, `kLanes` values at once. Included once for each instruction set, in a namespace of
// its own, behind the operations on lanes of that set.

#include "engine/pad_lanes.h"

inline Lanes add_word(Lanes state, Lanes word) {
  const Lanes mixed = times(rotate<31>(times(word, all(kPrime2))), all(kPrime1));
  return plus(times(rotate<27>(exclusive_or(state, mixed)), all(kPrime1)), all(kPrime4));
}

inline Lanes avalanche(Lanes state) {
  state = times(exclusive_or(state, shift_right<33>(state)), all(kPrime2));
  state = times(exclusive_or(state, shift_right<29>(state)), all(kPrime3));
  return exclusive_or(state, shift_right<32>(state));
}

inline Lanes hash_word(Lanes word, Lanes seed) { return avalanche(add_word(plus(seed, all(kPrime5 + 8)), word)); }

// `kLanes * abreast` texts; those of 32 bytes and more come out wrong. Returns whether there are such. Reads 32 bytes
// from the start of each.
template <int abreast>
inline bool hash_short_texts(const char* bytes, const int32_t* offsets, uint64_t seed, uint64_t* out) {
  Lanes size[abreast], state[abreast], rest[abreast], words[abreast][4];
  for (int k = 0; k < abreast; ++k) {
    size[k] = minus(widen(offsets + k * kLanes + 1), widen(offsets + k * kLanes));
    state[k] = plus(size[k], all(seed + kPrime5));
    load_starts(bytes, offsets + k * kLanes, words[k]);
    rest[k] = words[k][0];
  }
  for (uint64_t done = 8; done < 32; done += 8) {
    Mask has[abreast];
    bool more = false;
    for (int k = 0; k < abreast; ++k) more |= any(has[k] = less(all(done - 1), size[k]));
    if (!more) break;
    for (int k = 0; k < abreast; ++k) {
      state[k] = choose(has[k], add_word(state[k], words[k][done / 8 - 1]), state[k]);
      rest[k] = choose(has[k], words[k][done / 8], rest[k]);
    }
  }
  for (int k = 0; k < abreast; ++k) {
    const Lanes half = both(rest[k], all(0xffffffff));
    const Lanes mixed = rotate<23>(exclusive_or(state[k], times(half, all(kPrime1))));
    state[k] = choose(any_bit(size[k], all(4)), plus(times(mixed, all(kPrime2)), all(kPrime3)), state[k]);
    rest[k] = shift_right(rest[k], shift_left<3>(both(size[k], all(4))));
  }
  for (uint64_t done = 0; done < 3; ++done) {
    for (int k = 0; k < abreast; ++k) {
      const Lanes byte = both(rest[k], all(0xff));
      const Lanes mixed = times(rotate<11>(exclusive_or(state[k], times(byte, all(kPrime5)))), all(kPrime1));
      state[k] = choose(less(all(done), both(size[k], all(3))), mixed, state[k]);
      rest[k] = shift_right<8>(rest[k]);
    }
  }
  bool any_long = false;
  for (int k = 0; k < abreast; ++k) {
    store(out + k * kLanes, avalanche(state[k]));
    any_long |= any(less(all(31), size[k]));
  }
  return any_long;
}

inline int64_t hash_texts(const char* bytes, const int32_t* offsets, int64_t count, uint64_t seed, uint64_t* out,
                          bool& any_long) {
  if (count < kLanes) return 0;
  int64_t i = 0;
  for (; i + kAbreast * kLanes <= count; i += kAbreast * kLanes) {
    any_long |= hash_short_texts<kAbreast>(bytes, offsets + i, seed, out + i);
  }
  for (; i + kLanes <= count; i += kLanes) any_long |= hash_short_texts<1>(bytes, offsets + i, seed, out + i);
  // The last ones, some of them again.
  if (i < count) any_long |= hash_short_texts<1>(bytes, offsets + count - kLanes, seed, out + count - kLanes);
  return count;
}

inline int64_t hash_words(const uint64_t* words, const uint64_t* seeds, uint64_t seed, int64_t count, uint64_t* out) {
  const Lanes one = all(seed);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    store(out + i, hash_word(load(words + i), seeds == nullptr ? one : load(seeds + i)));
  }
  return i;
}

inline int64_t hash_word_with(uint64_t word, const uint64_t* seeds, int64_t count, uint64_t* out) {
  const Lanes one = all(word);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, hash_word(one, load(seeds + i)));
  return i;
}

// How `words` words beside each of `seeds` seeds lie in the lanes: few words leave room for several seeds.
struct Spread {
  uint64_t seed[kLanes];
  uint64_t word[kLanes];
  int32_t seeds;
};
inline constexpr auto kSpreads = [] {
  std::array<Spread, kLanes> spreads{};
  for (int words = 1; words < kLanes; ++words) {
    Spread& spread = spreads[static_cast<size_t>(words)];
    spread.seeds = kLanes / words;
    for (int k = 0; k < spread.seeds * words; ++k) {
      spread.seed[k] = static_cast<uint64_t>(k / words);
      spread.word[k] = static_cast<uint64_t>(k % words);
    }
  }
  return spreads;
}();

inline int64_t hash_products(const ListRows& seeds, const ListRows& words, const int32_t* sizes, int64_t rows,
                             uint64_t* out) {
  for (int64_t i = 0; i < rows; ++i) {
    if (sizes[i] == 0) continue;
    const uint64_t* row_words = words.values + words.starts[i];
    const uint64_t* row_seeds = seeds.values + seeds.starts[i];
    const int32_t size = words.sizes[i];
    uint64_t* end = out + sizes[i];
    // What is too much at an end is written over by the next.
    if (size < kLanes) {
      const Spread& spread = kSpreads[static_cast<size_t>(size)];
      const Lanes seed_places = load(spread.seed), some = permute(load(row_words), load(spread.word));
      for (; out < end; out += spread.seeds * size, row_seeds += spread.seeds) {
        store(out, hash_word(some, permute(load(row_seeds), seed_places)));
      }
    } else {
      for (; out < end; out += size, ++row_seeds) {
        const Lanes seed = all(*row_seeds);
        for (int32_t w = 0; w < size; w += kLanes) store(out + w, hash_word(load(row_words + w), seed));
      }
    }
    out = end;
  }
  return rows;
}

struct Unchanged {
  Lanes operator()(Lanes hash) const { return hash; }
};

// One row of results a seed, of up to kTableColumns words and what fills the last lanes, each as `finish` leaves it.
template <class Finish>
inline void hash_table(const uint64_t* seeds, int32_t seed_count, const uint64_t* words, int32_t count, uint64_t* table,
                       const Finish& finish) {
  for (int32_t w = 0; w < count; w += kLanes) {
    const Lanes mixed = times(rotate<31>(times(load(words + w), all(kPrime2))), all(kPrime1));
    for (int32_t s = 0; s < seed_count; ++s) {
      const Lanes state = exclusive_or(all(seeds[s] + kPrime5 + 8), mixed);
      const Lanes hash = avalanche(plus(times(rotate<27>(state), all(kPrime1)), all(kPrime4)));
      store(table + s * kTableColumns + w, finish(hash));
    }
  }
}

inline int64_t hash_same_seeds(const uint64_t* seeds, int32_t seed_count, const uint64_t* words, const int32_t* offsets,
                               int64_t rows, uint64_t* table, uint64_t* out) {
  for (int64_t from = 0; from < rows;) {
    const int64_t to = end_of_table(offsets, from, rows);
    const int32_t first = offsets[from], count = offsets[to] - first;
    if (count > kTableColumns) {
      for (int32_t s = 0; s < seed_count; ++s, out += count) {
        const Lanes seed = all(seeds[s]);
        for (int32_t w = 0; w < count; w += kLanes) store(out + w, hash_word(load(words + first + w), seed));
      }
    } else {
      hash_table(seeds, seed_count, words + first, count, table, Unchanged());
      for (int64_t i = from; i < to; ++i) {
        const int32_t start = offsets[i] - first, size = offsets[i + 1] - offsets[i];
        if (size == 0) continue;
        // What is too much at an end is written over by the next.
        for (int32_t s = 0; s < seed_count; ++s, out += size) {
          const uint64_t* row = table + s * kTableColumns + start;
          store(out, load(row));
          for (int32_t w = kLanes; w < size; w += kLanes) store(out + w, load(row + w));
        }
      }
    }
    from = to;
  }
  return rows;
}

// Codes as `Fold` makes them.
class Folder {
 public:
  Folder(const Divisor& by, uint64_t first) : divide_(by), divisor_(all(by.value)), first_(all(first)) {}
  Lanes operator()(Lanes code) const {
    const Lanes sign = signs(code);
    const Lanes rest = exclusive_or(divide_.rest(exclusive_or(code, sign)), sign);
    return plus(plus(rest, both(sign, divisor_)), first_);
  }

 private:
  Divider divide_;
  Lanes divisor_, first_;
};

inline int64_t fold_codes(const uint64_t* codes, int64_t count, const Divisor& by, uint64_t first, const uint8_t* valid,
                          uint64_t* out) {
  const Folder fold(by, first);
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Lanes folded = fold(load(codes + i));
    store(out + i, valid == nullptr ? folded : choose(mask_of(valid + i), folded, all(0)));
  }
  return i;
}

inline int64_t hash_same_seeds_padded(const uint64_t* seeds, int32_t seed_count, const uint64_t* words,
                                      const int32_t* offsets, int64_t rows, uint64_t* table, const Divisor& by,
                                      uint64_t first_code, int64_t width, uint64_t fill, uint64_t* out) {
  const Folder fold(by, first_code);
  const Lanes filled = all(fill);
  for (int64_t from = 0; from < rows;) {
    const int64_t to = end_of_table(offsets, from, rows);
    const int32_t first = offsets[from], count = std::min(offsets[to] - first, kTableColumns);
    hash_table(seeds, seed_count, words + first, count, table, fold);
    for (; from < to; ++from, out += width) {
      const int32_t size = std::min(offsets[from + 1] - offsets[from], kTableColumns);
      pad_products(table + offsets[from] - first, seed_count, size, filled, width, out);
    }
  }
  return rows;
}
