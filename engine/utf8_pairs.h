// What is wrong with a byte of a text and the one before it, told by three halves of them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace feat::utf8_pairs {

// Ways to be wrong, a bit each: the upper halves, the lower halves of the first byte, and the upper halves of the
// second (bit k: half k), where all three are so.
struct Pair {
  uint16_t upper, lower, second;
};
inline constexpr uint16_t kAny = 0xFFFF, kAscii = 0x00FF, kInside = 0x0F00, kFirst = 0xF000;
inline constexpr std::array<Pair, 8> kPairs{{
    {kFirst, kAny, kAscii | kFirst},  // a character is not ended
    {kAscii, kAny, kInside},          // nor begun
    {1 << 0xE, 1 << 0x0, 0x0300},     // E0 80 to E0 9F: shorter ones are written so
    {1 << 0xE, 1 << 0xD, 0x0C00},     // ED A0 to ED BF: surrogates
    {1 << 0xC, 0x0003, kInside},      // C0 and C1: ASCII
    {1 << 0xF, 0xFFF0, 0x0E00},       // F4 90 and what is above: past U+10FFFF
    {1 << 0xF, 0xFFE1, 0x0100},       // F0 80 to F0 8F, as E0; F5 80 and what is above
    {kInside, kAny, kInside},         // two inside: right in a long character alone
}};
inline constexpr uint8_t kTwoInside = 0x80;

using Table = std::array<uint8_t, 16>;
constexpr Table table(uint16_t Pair::* halves) {
  Table found{};
  for (size_t half = 0; half < found.size(); ++half) {
    for (size_t way = 0; way < kPairs.size(); ++way) {
      if ((kPairs[way].*halves >> half & 1) != 0) found[half] |= static_cast<uint8_t>(1 << way);
    }
  }
  return found;
}
inline constexpr Table kByUpper = table(&Pair::upper), kByLower = table(&Pair::lower), kBySecond = table(&Pair::second);

// Whether the three bytes before begin a character that they do not end.
inline bool ends_within(const char* end) {
  const auto byte = [&](int before) { return static_cast<uint8_t>(end[-before]); };
  return byte(1) >= 0xC0 || byte(2) >= 0xE0 || byte(3) >= 0xF0;
}

}  // namespace feat::utf8_pairs
