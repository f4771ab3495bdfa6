// Code points of valid UTF-8, their classes and case mappings.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "engine/unicode_tables.h"

namespace feat::unicode {

// Reads the code point at `at`, which begins one, and moves behind it.
inline char32_t next(const char*& at) {
  const auto byte = [&at] { return static_cast<uint8_t>(*at++); };
  const char32_t first = byte();
  if (first < 0x80) return first;
  const char32_t second = byte() & 0x3Fu;
  if (first < 0xE0) return (first & 0x1Fu) << 6 | second;
  const char32_t third = byte() & 0x3Fu;
  if (first < 0xF0) return (first & 0x0Fu) << 12 | second << 6 | third;
  return (first & 0x07u) << 18 | second << 12 | third << 6 | (byte() & 0x3Fu);
}

// Moves back to the start of the code point that ends before `at`, and reads it.
inline char32_t previous(const char*& at) {
  do {
    --at;
  } while ((static_cast<uint8_t>(*at) & 0xC0u) == 0x80);
  const char* start = at;
  return next(start);
}

// Appends the code point as UTF-8.
template <class Out>
void append(char32_t code, Out& out) {
  char bytes[4];
  size_t count = 0;
  const auto put = [&](char32_t bits) { bytes[count++] = static_cast<char>(bits); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0u | code >> 6);
    put(0x80u | (code & 0x3Fu));
  } else if (code < 0x10000) {
    put(0xE0u | code >> 12);
    put(0x80u | (code >> 6 & 0x3Fu));
    put(0x80u | (code & 0x3Fu));
  } else {
    put(0xF0u | code >> 18);
    put(0x80u | (code >> 12 & 0x3Fu));
    put(0x80u | (code >> 6 & 0x3Fu));
    put(0x80u | (code & 0x3Fu));
  }
  out.append(std::string_view(bytes, count));
}

// Of a code point below 0x110000.
inline const Properties& properties(char32_t code) {
  const size_t block = kBlocks[code >> kBlockBits];
  const size_t low = code & ((1u << kBlockBits) - 1);
  return kRecords[kBlockRecords[block << kBlockBits | low]];
}

// Of a code point with kSpecial.
inline const SpecialCase& special_case(char32_t code) {
  return *std::lower_bound(std::begin(kSpecialCases), std::end(kSpecialCases), code,
                           [](const SpecialCase& entry, char32_t wanted) { return entry.code < wanted; });
}

inline char32_t moved(char32_t code, int32_t by) { return static_cast<char32_t>(static_cast<int32_t>(code) + by); }

template <class Out>
void append_mapping(const char32_t (&mapping)[3], Out& out) {
  for (const char32_t code : mapping) {
    if (code != 0) append(code, out);
  }
}

// Whether a capital sigma between two texts ends a word: before it, past what is case-ignorable, stands a cased
// letter, and after it none.
inline bool sigma_is_final(std::string_view before, std::string_view after) {
  bool cased = false;
  for (const char* at = before.data() + before.size(); at != before.data() && !cased;) {
    const uint8_t flags = properties(previous(at)).flags;
    if ((flags & kCaseIgnorable) != 0) continue;
    if ((flags & kCased) == 0) return false;
    cased = true;
  }
  if (!cased) return false;
  for (const char* at = after.data(); at != after.data() + after.size();) {
    const uint8_t flags = properties(next(at)).flags;
    if ((flags & kCaseIgnorable) == 0) return (flags & kCased) == 0;
  }
  return true;
}

// Appends the lower case of the part of `text` from byte `start` on.
template <class Out>
void append_lower(std::string_view text, size_t start, Out& out) {
  constexpr char32_t kCapitalSigma = 0x3A3, kSigma = 0x3C3, kFinalSigma = 0x3C2;
  const char* end = text.data() + text.size();
  for (const char* at = text.data() + start; at != end;) {
    const char* begin = at;
    const char32_t code = next(at);
    const Properties& found = properties(code);
    if (code == kCapitalSigma) {
      const bool final = sigma_is_final({text.data(), begin}, {at, end});
      append(final ? kFinalSigma : kSigma, out);
    } else if ((found.flags & kSpecial) != 0) {
      append_mapping(special_case(code).lower, out);
    } else {
      append(moved(code, found.lower), out);
    }
  }
}

// Appends the upper case of the part of `text` from byte `start` on.
template <class Out>
void append_upper(std::string_view text, size_t start, Out& out) {
  const char* end = text.data() + text.size();
  for (const char* at = text.data() + start; at != end;) {
    const char32_t code = next(at);
    const Properties& found = properties(code);
    if ((found.flags & kSpecial) != 0) {
      append_mapping(special_case(code).upper, out);
    } else {
      append(moved(code, found.upper), out);
    }
  }
}

// How many code points a text has.
inline int64_t length(std::string_view text) {
  int64_t count = 0;
  for (const char c : text) count += (static_cast<uint8_t>(c) & 0xC0u) != 0x80;
  return count;
}

// How many bytes at the start of a text are ASCII.
inline size_t ascii_prefix(std::string_view text) {
  size_t at = 0;
  for (; text.size() - at >= 8; at += 8) {
    uint64_t word;
    __builtin_memcpy(&word, text.data() + at, 8);
    const uint64_t high = word & 0x8080808080808080ULL;
    if (high != 0) return at + static_cast<size_t>(std::countr_zero(high)) / 8;  // little-endian
  }
  while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0x80u) == 0) ++at;
  return at;
}

}  // namespace feat::unicode
