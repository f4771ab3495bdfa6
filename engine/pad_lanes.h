// Rows of list crosses, cut or filled up. Included once for each instruction set.

// `size` words beside each of the seeds, whose rows of `table` lie kTableColumns apart, up to `width` results, then
// `fill`. What is written too much at an end is written over by the next, which may be the next row.
inline void pad_products(const uint64_t* table, int32_t seed_count, int32_t size, Lanes fill, int64_t width,
                         uint64_t* out) {
  if (kLanes > 2 && seed_count * size <= kLanes) {
    // All results in the first lanes: of each seed they are read from where they come to lie.
    Lanes row = load(table);
    int32_t place = size;
    for (int32_t s = 1; s < seed_count; ++s, place += size) {
      row = choose(first_lanes_within(place), row, load(table + s * kTableColumns - place));
    }
    store(out, choose(first_lanes_within(seed_count * size), row, fill));
    for (int64_t k = kLanes; k < width; k += kLanes) store(out + k, fill);
    return;
  }
  for (int64_t k = 0; k < width; k += 8) {
    for (int64_t some = k; some < k + 8; some += kLanes) store(out + some, fill);
  }
  const uint64_t* end = out + width;
  if (size <= kLanes) {
    const Mask some = first_lanes(size);
    for (; seed_count > 0 && out < end; --seed_count, out += size, table += kTableColumns) {
      store(out, choose(some, load(table), fill));
    }
    return;
  }
  for (; seed_count > 0 && out < end; --seed_count, out += size, table += kTableColumns) {
    for (int32_t w = 0; w < size && out + w < end; w += kLanes) {
      store(out + w, choose(first_lanes(size - w), load(table + w), fill));
    }
  }
}
