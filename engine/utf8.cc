#include "engine/utf8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <bit>
#include <cstdint>
#include <cstring>

#include "engine/cpu.h"
#include "engine/divisor.h"
#include "engine/error.h"
#include "engine/utf8_pairs.h"

namespace feat {

static_assert(std::endian::native == std::endian::little);

namespace {

#define FEATDSL_LOOPS "engine/utf8_lanes.h"
#include "engine/each_simd.h"

}  // namespace

size_t valid_utf8_prefix(std::string_view text) {
  constexpr uint64_t kHigh = 0x8080808080808080;
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* const start = at;
  const uint8_t* const end = at + text.size();
  while (at < end) {
    if (end - at >= 32) {
      uint64_t words[4];
      std::memcpy(words, at, sizeof words);
      if (((words[0] | words[1] | words[2] | words[3]) & kHigh) == 0) {
        at += 32;
        continue;
      }
    }
    if (end - at >= 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      const uint64_t high = word & kHigh;
      at += high == 0 ? 8 : std::countr_zero(high) / 8;
      if (high == 0) continue;
    }
    const uint8_t lead = *at;
    if (lead < 0x80) {
      ++at;
      continue;
    }
    int more;
    uint8_t low = 0x80, high = 0xBF;  // of the second byte: no overlong forms, no surrogates, at most U+10FFFF
    if (lead >= 0xC2 && lead <= 0xDF) {
      more = 1;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      more = 2;
      if (lead == 0xE0) low = 0xA0;
      if (lead == 0xED) high = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      more = 3;
      if (lead == 0xF0) low = 0x90;
      if (lead == 0xF4) high = 0x8F;
    } else {
      return static_cast<size_t>(at - start);
    }
    if (end - at <= more || at[1] < low || at[1] > high) return static_cast<size_t>(at - start);
    for (int k = 2; k <= more; ++k) {
      if ((at[k] & 0xC0) != 0x80) return static_cast<size_t>(at - start);
    }
    at += more + 1;
  }
  return text.size();
}

bool valid_utf8(std::string_view text) {
  constexpr size_t kWorthIt = 64;
  if (text.size() >= kWorthIt) {
    text.remove_prefix(
        static_cast<size_t>(FEATDSL_LANES(valid_utf8_bytes(text.data(), static_cast<int64_t>(text.size())))));
  }
  return valid_utf8_prefix(text) == text.size();
}

std::string EngineError::readable(std::string message) {
  for (size_t at = 0; (at += valid_utf8_prefix(std::string_view(message).substr(at))) < message.size();)
    message[at] = '?';
  return message;
}

}  // namespace feat
