// Bodies of featdsl/operators/string.py. Texts are valid UTF-8.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/kernel.h"
#include "engine/unicode.h"

namespace feat::string {

constexpr bool is_ascii(char c) { return (static_cast<uint8_t>(c) & 0x80u) == 0; }

// The ASCII letters from `first` on, 26 of them, change case; everything else stays.
inline void append_swapped(std::string_view ascii, char first, TextOut& out) {
  char* to = out.grow(static_cast<int64_t>(ascii.size()));
  for (size_t i = 0; i < ascii.size(); ++i) {
    const bool letter = static_cast<uint8_t>(ascii[i] - first) < 26;
    to[i] = static_cast<char>(ascii[i] ^ (letter ? 0x20 : 0));
  }
}

inline void lower(std::string_view s, TextOut& out) {
  const size_t ascii = unicode::ascii_prefix(s);
  append_swapped(s.substr(0, ascii), 'A', out);
  unicode::append_lower(s, ascii, out);
}

inline void upper(std::string_view s, TextOut& out) {
  const size_t ascii = unicode::ascii_prefix(s);
  append_swapped(s.substr(0, ascii), 'a', out);
  unicode::append_upper(s, ascii, out);
}

inline bool is_space(char32_t code) { return (unicode::properties(code).flags & unicode::kSpace) != 0; }

inline std::string_view trim(std::string_view s) {
  const char* start = s.data();
  const char* end = start + s.size();
  for (const char* at = start; at != end; start = at) {
    if (!is_space(unicode::next(at))) break;
  }
  for (const char* at = end; at != start; end = at) {
    if (!is_space(unicode::previous(at))) break;
  }
  return {start, end};
}

inline void split(std::string_view s, std::string_view separator, ListOut<std::string_view>& out) {
  size_t start = 0;
  for (size_t found; (found = s.find(separator, start)) != std::string_view::npos; start = found + separator.size()) {
    out.push(s.substr(start, found - start));
  }
  out.push(s.substr(start));
}

// Letters, digits and underscore.
inline constexpr std::array<bool, 128> kAsciiWord = [] {
  std::array<bool, 128> word{};
  for (char c = '0'; c <= '9'; ++c) word[static_cast<size_t>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) word[static_cast<size_t>(c)] = word[static_cast<size_t>(c | 0x20)] = true;
  word['_'] = true;
  return word;
}();

// Reads one code point and says whether it belongs to a word.
inline bool next_is_word(const char*& at) {
  if (is_ascii(*at)) return kAsciiWord[static_cast<size_t>(*at++)];
  return (unicode::properties(unicode::next(at)).flags & unicode::kWord) != 0;
}

inline void words(std::string_view s, ListOut<std::string_view>& out) {
  const char* end = s.data() + s.size();
  const char* word = nullptr;  // where the one that we are in began
  for (const char* at = s.data(); at != end;) {
    const char* begin = at;
    const bool inside = next_is_word(at);
    if (inside && word == nullptr) {
      word = begin;
    } else if (!inside && word != nullptr) {
      out.push({word, begin});
      word = nullptr;
    }
  }
  if (word != nullptr) out.push({word, end});
}

}  // namespace feat::string
