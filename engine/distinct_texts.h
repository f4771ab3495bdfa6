// Whether texts differ from each other, as the keys of a map must.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <vector>

#include "engine/text_rows.h"

namespace feat {

// `text(i)` for i below `count`; up to 16 bytes behind each are read. Rarely false though they differ.
template <class TextAt>
bool all_differ(int64_t count, TextAt text) {
  constexpr int64_t kFew = 16;
  if (count <= kFew) {
    std::array<uint64_t, kFew> codes;
    bool same = false;
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t code = table_code(text(i));
      for (int64_t k = 0; k < i; ++k) same |= codes[static_cast<size_t>(k)] == code;
      codes[static_cast<size_t>(i)] = code;
    }
    return !same;
  }
  struct Slot {
    uint64_t code, time;
  };
  thread_local std::vector<Slot> slots;
  thread_local uint64_t now = 0;
  const uint64_t mask = std::bit_ceil(static_cast<uint64_t>(count) * 2) - 1;
  if (slots.size() <= mask) slots.resize(mask + 1);
  ++now;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t code = table_code(text(i));
    uint64_t at = code & mask;
    for (; slots[at].time == now; at = (at + 1) & mask) {
      if (slots[at].code == code) return false;
    }
    slots[at] = {code, now};
  }
  return true;
}

}  // namespace feat
