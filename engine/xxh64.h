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

constexpr uint64_t add_half(uint64_t state, uint32_t half) {
  return std::rotl(state ^ (half * kPrime1), 23) * kPrime2 + kPrime3;
}

constexpr uint64_t add_byte(uint64_t state, uint8_t byte) { return std::rotl(state ^ (byte * kPrime5), 11) * kPrime1; }

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
    state = add_half(state, load<uint32_t>(at));
    at += 4;
  }
  for (; at != end; ++at) state = add_byte(state, load<uint8_t>(at));
  return avalanche(state);
}

// The same of `abreast` texts of less than 32 bytes, each from its offset on, of which 32 can be read: step by step
// beside each other, and without a branch by one's length, which cannot be guessed. Those of 32 bytes and more come out
// wrong.
template <int abreast>
inline void xxh64_short(const char* bytes, const int32_t* offsets, uint64_t seed, uint64_t* out) {
  using namespace xxh64_detail;
  // Both are there before one is chosen, for all that a compiler knows: so it puts none behind a branch.
  const auto choose = [](bool condition, uint64_t yes, uint64_t no) {
    asm("" : "+r"(yes));
    return condition ? yes : no;
  };
  const char* at[abreast];
  uint64_t size[abreast], state[abreast];
  for (int k = 0; k < abreast; ++k) {
    at[k] = bytes + offsets[k];
    size[k] = static_cast<uint32_t>(offsets[k + 1] - offsets[k]);
    state[k] = seed + kPrime5 + size[k];
  }
  for (uint64_t done = 0; done < 24; done += 8) {
    bool more = false;
    for (int k = 0; k < abreast; ++k) more |= size[k] >= done + 8;
    if (!more) break;
    for (int k = 0; k < abreast; ++k) {
      state[k] = choose(size[k] >= done + 8, add_word(state[k], load<uint64_t>(at[k] + done)), state[k]);
    }
  }
  for (int k = 0; k < abreast; ++k) {
    state[k] = choose((size[k] & 4) != 0, add_half(state[k], load<uint32_t>(at[k] + (size[k] & 24))), state[k]);
  }
  for (uint64_t done = 0; done < 3; ++done) {
    for (int k = 0; k < abreast; ++k) {
      const uint64_t added = add_byte(state[k], load<uint8_t>(at[k] + (size[k] & 28) + done));
      state[k] = choose((size[k] & 3) > done, added, state[k]);
    }
  }
  for (int k = 0; k < abreast; ++k) out[k] = avalanche(state[k]);
}

// The XXH64 of the 8 little-endian bytes of a word.
constexpr uint64_t xxh64(uint64_t word, uint64_t seed) {
  using namespace xxh64_detail;
  return avalanche(add_word(seed + kPrime5 + 8, word));
}

}  // namespace feat
