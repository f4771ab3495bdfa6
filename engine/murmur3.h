// Murmur3 as Spark's `hash` computes it; featdsl/operators/murmur3.py is the same in Python. It is Murmur3_x86_32,
// but that of a string takes each byte after the last whole word as a word of its own, with its sign.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace feat {

namespace murmur3_detail {

constexpr uint32_t add_word(uint32_t state, uint32_t word) {
  const uint32_t mixed = std::rotl(word * 0xCC9E2D51U, 15) * 0x1B873593U;
  return std::rotl(state ^ mixed, 13) * 5 + 0xE6546B64U;
}

constexpr int32_t finish(uint32_t state, size_t size) {
  state ^= static_cast<uint32_t>(size);
  state = (state ^ (state >> 16)) * 0x85EBCA6BU;
  state = (state ^ (state >> 13)) * 0xC2B2AE35U;
  return static_cast<int32_t>(state ^ (state >> 16));
}

}  // namespace murmur3_detail

inline int32_t murmur3(std::string_view data, uint32_t seed) {
  using namespace murmur3_detail;
  const char* at = data.data();
  const char* end = at + data.size();
  uint32_t state = seed;
  for (; end - at >= 4; at += 4) {
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    state = add_word(state, word);
  }
  for (; at != end; ++at) state = add_word(state, static_cast<uint32_t>(int32_t{static_cast<signed char>(*at)}));
  return finish(state, data.size());
}

constexpr int32_t murmur3(uint32_t word, uint32_t seed) {
  return murmur3_detail::finish(murmur3_detail::add_word(seed, word), sizeof word);
}

constexpr int32_t murmur3(uint64_t words, uint32_t seed) {
  using namespace murmur3_detail;
  const uint32_t low = add_word(seed, static_cast<uint32_t>(words));
  return finish(add_word(low, static_cast<uint32_t>(words >> 32)), sizeof words);
}

}  // namespace feat
