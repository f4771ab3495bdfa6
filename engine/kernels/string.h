// Bodies of featdsl/operators/string.py. Texts are valid UTF-8.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include "engine/kernel.h"
#include "engine/unicode.h"

namespace feat::string {

constexpr bool is_ascii(char c) { return (static_cast<uint8_t>(c) & 0x80u) == 0; }

inline bool is_space(char32_t code) { return (unicode::properties(code).flags & unicode::kSpace) != 0; }

// The first `part` of `s` from byte `start` on, or npos; in time linear in both, unlike string_view::find.
inline size_t find(std::string_view s, std::string_view part, size_t start = 0) {
  const void* found = memmem(s.data() + start, s.size() - start, part.data(), part.size());
  return found == nullptr ? std::string_view::npos : static_cast<size_t>(static_cast<const char*>(found) - s.data());
}

inline Maybe<int64_t> position(std::string_view s, std::string_view part) {
  const size_t found = find(s, part);
  if (found == std::string_view::npos) return {};
  return unicode::length(s.substr(0, found));
}

inline void replace(std::string_view s, std::string_view part, std::string_view by, TextOut& out) {
  size_t start = 0;
  if (!part.empty()) {
    for (size_t found; (found = find(s, part, start)) != std::string_view::npos; start = found + part.size()) {
      out.append(s.substr(start, found - start));
      out.append(by);
    }
  }
  out.append(s.substr(start));
}

inline void split(std::string_view s, std::string_view separator, ListOut<std::string_view>& out) {
  size_t start = 0;
  for (size_t found; (found = find(s, separator, start)) != std::string_view::npos; start = found + separator.size()) {
    out.push(s.substr(start, found - start));
  }
  out.push(s.substr(start));
}

inline void join(const ListIn<std::string_view>& list, std::string_view separator, TextOut& out) {
  for (int64_t i = 0; i < list.size(); ++i) {
    if (i > 0) out.append(separator);
    out.append(list[i]);
  }
}

// A set of code points.
class Characters {
 public:
  explicit Characters(std::string_view text) {
    for (const char* at = text.data(); at != text.data() + text.size();) codes_.push_back(unicode::next(at));
    std::sort(codes_.begin(), codes_.end());
  }
  bool contains(char32_t code) const { return std::binary_search(codes_.begin(), codes_.end(), code); }

 private:
  std::vector<char32_t> codes_;
};

// The text without what is at its ends and for which `is_outside` of the code point is true.
template <class Test>
std::string_view stripped(std::string_view s, const Test& is_outside) {
  const char* start = s.data();
  const char* end = start + s.size();
  for (const char* at = start; at != end; start = at) {
    if (!is_outside(unicode::next(at))) break;
  }
  for (const char* at = end; at != start; end = at) {
    if (!is_outside(unicode::previous(at))) break;
  }
  return {start, end};
}

inline std::string_view trim(std::string_view s) { return stripped(s, is_space); }

// Moves from the start of a text over at most `count` code points.
inline const char* forward(std::string_view s, int64_t count) {
  const char* at = s.data();
  const char* end = at + s.size();
  if (count >= static_cast<int64_t>(s.size())) return end;
  for (; count > 0 && at != end; --count) unicode::next(at);
  return at;
}

// Moves from the end of a text back over at most `count` code points.
inline const char* backward(std::string_view s, int64_t count) {
  const char* at = s.data() + s.size();
  if (count >= static_cast<int64_t>(s.size())) return s.data();
  for (; count > 0 && at != s.data(); --count) unicode::previous(at);
  return at;
}

inline std::string_view from(std::string_view s, int64_t start) {
  constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();
  const char* at = start >= 0 ? forward(s, start) : backward(s, start == kLeast ? -(start + 1) : -start);
  return {at, s.data() + s.size()};
}

inline std::string_view substr(std::string_view s, int64_t start, int64_t length) {
  const std::string_view rest = from(s, start);
  return {rest.data(), forward(rest, length)};
}

inline void reverse(std::string_view s, TextOut& out) {
  char* to = out.grow(static_cast<int64_t>(s.size())) + s.size();
  for (const char* at = s.data(); at != s.data() + s.size();) {
    const char* start = at;
    unicode::next(at);
    to -= at - start;
    std::memcpy(to, start, static_cast<size_t>(at - start));
  }
}

// A length to fill texts up to, and with what.
struct Padding {
  explicit Padding(const Attributes& a) : n(a.integer("n")), fill(a.text("fill")) {
    if (n < 0 || n > kLongest || unicode::length(fill) != 1)
      throw EngineError("a text is padded to " + std::to_string(n) + " with `" + std::string(fill.substr(0, 20)) + "`");
  }
  void append_for(std::string_view s, TextOut& out) const {
    for (int64_t missing = n - unicode::length(s); missing > 0; --missing) out.append(fill);
  }
  static constexpr int64_t kLongest = 10'000;
  int64_t n;
  std::string_view fill;
};

inline constexpr int64_t kMostRepeats = 10'000;

// Letters, digits and underscore.
inline constexpr std::array<bool, 128> kAsciiWord = [] {
  std::array<bool, 128> word{};
  for (char c = '0'; c <= '9'; ++c) word[static_cast<size_t>(c)] = true;
  for (char c = 'A'; c <= 'Z'; ++c) word[static_cast<size_t>(c)] = word[static_cast<size_t>(c | 0x20)] = true;
  word['_'] = true;
  return word;
}();

}  // namespace feat::string
