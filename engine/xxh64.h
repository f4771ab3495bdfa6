// XXH64, from its published specification. featdsl/operators/xxh64.py is the same in Python.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace feat {

static_assert(std::endian::native == std::endian::little, "words are read as they lie in memory");

namespace xxh64_detail {

inline constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87ULL;
inline constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4FULL;
inline constexpr uint64_t kPrime3 = 0x165667B19E3779F9ULL;
inline constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63ULL;
inline constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5ULL;

template <class Word>
Word load(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

constexpr uint64_t round(uint64_t accumulator, uint64_t lane) {
  return std::rotl(accumulator + lane * kPrime2, 31) * kPrime1;
}

constexpr uint64_t add_word(uint64_t state, uint64_t word) {
  return std::rotl(state ^ round(0, word), 27) * kPrime1 + kPrime4;
}

constexpr uint64_t avalanche(uint64_t state) {
  state = (state ^ (state >> 33)) * kPrime2;
  state = (state ^ (state >> 29)) * kPrime3;
  return state ^ (state >> 32);
}

// The state after the whole 32-byte stripes of `data`; moves `at` behind them.
inline uint64_t add_stripes(const char*& at, const char* end, uint64_t seed) {
  uint64_t lanes[4] = {seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
  for (; end - at >= 32; at += 32) {
    for (int i = 0; i < 4; ++i) lanes[i] = round(lanes[i], load<uint64_t>(at + 8 * i));
  }
  uint64_t state = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
  for (const uint64_t lane : lanes) state = (state ^ round(0, lane)) * kPrime1 + kPrime4;
  return state;
}

}  // namespace xxh64_detail

// The XXH64 of a string's bytes.
inline uint64_t xxh64(std::string_view data, uint64_t seed) {
  using namespace xxh64_detail;
  const char* at = data.data();
  const char* end = at + data.size();
  uint64_t state = data.size() >= 32 ? add_stripes(at, end, seed) : seed + kPrime5;
  state += data.size();
  for (; end - at >= 8; at += 8) state = add_word(state, load<uint64_t>(at));
  if (end - at >= 4) {
    state = std::rotl(state ^ (load<uint32_t>(at) * kPrime1), 23) * kPrime2 + kPrime3;
    at += 4;
  }
  for (; at != end; ++at) state = std::rotl(state ^ (static_cast<uint8_t>(*at) * kPrime5), 11) * kPrime1;
  return avalanche(state);
}

// The same of a text of less than 32 bytes of which 32 can be read, without a branch: lengths cannot be guessed.
inline uint64_t xxh64_short(const char* at, uint64_t size, uint64_t seed) {
  using namespace xxh64_detail;
  const auto choose = [](bool condition, uint64_t yes, uint64_t no) {
    const uint64_t mask = uint64_t{0} - uint64_t{condition};
    return (yes & mask) | (no & ~mask);
  };
  uint64_t state = seed + kPrime5 + size;
  for (uint64_t done = 0; done < 24; done += 8) {
    state = choose(size >= done + 8, add_word(state, load<uint64_t>(at + done)), state);
  }
  uint64_t rest = load<uint64_t>(at + (size & 24));
  const uint64_t half = std::rotl(state ^ ((rest & 0xffffffff) * kPrime1), 23) * kPrime2 + kPrime3;
  state = choose((size & 4) != 0, half, state);
  rest >>= (size & 4) * 8;
  for (uint64_t done = 0; done < 3; ++done, rest >>= 8) {
    const uint64_t byte = std::rotl(state ^ ((rest & 0xff) * kPrime5), 11) * kPrime1;
    state = choose((size & 3) > done, byte, state);
  }
  return avalanche(state);
}

// The XXH64 of the 8 little-endian bytes of a word.
constexpr uint64_t xxh64(uint64_t word, uint64_t seed) {
  using namespace xxh64_detail;
  return avalanche(add_word(seed + kPrime5 + 8, word));
}

}  // namespace feat
