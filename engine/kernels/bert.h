// Bodies of featdsl/operators/bert.py.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/byte_trie.h"
#include "engine/kernel.h"
#include "engine/kernels/string.h"
#include "engine/normal_form.h"
#include "engine/unicode.h"

namespace feat::bert {

// A growing text that functions of unicode.h can append to.
struct Buffer {
  std::string bytes;
  void append(std::string_view piece) { bytes.append(piece); }
};

enum class Kind : uint8_t { Dropped, Space, Punctuation, Letter };

inline constexpr std::array<Kind, 128> kAscii = [] {
  std::array<Kind, 128> kinds{};
  for (size_t c = 0x21; c < 0x7F; ++c) kinds[c] = string::kAsciiWord[c] && c != '_' ? Kind::Letter : Kind::Punctuation;
  for (const char c : {' ', '\t', '\n', '\r'}) kinds[static_cast<size_t>(c)] = Kind::Space;
  return kinds;
}();

inline bool is_cjk(char32_t code) {
  const auto within = [code](char32_t first, char32_t last) { return code - first <= last - first; };
  return within(0x4E00, 0x9FFF) || within(0x3400, 0x4DBF) || within(0x20000, 0x2A6DF) || within(0x2A700, 0x2CEAF) ||
         within(0xF900, 0xFAFF) || within(0x2F800, 0x2FA1F);
}

inline bool is_punctuation(char32_t code) {
  if (code < 0x80) return kAscii[code] == Kind::Punctuation;
  return (unicode::properties(code).flags & unicode::kPunctuation) != 0;
}

// BERT's basic tokenizer.
class Words {
 public:
  explicit Words(bool lower) : lower_(lower) {}

  void operator()(std::string_view s, ListOut<std::string_view>& out) const {
    if (unicode::ascii_prefix(s) == s.size()) {
      split_ascii(s, out);
    } else {
      split(s, out);
    }
  }

 private:
  void split_ascii(std::string_view s, ListOut<std::string_view>& out) const {
    thread_local std::string word;
    word.clear();
    for (const char c : s) {
      const Kind kind = kAscii[static_cast<size_t>(c)];
      if (kind == Kind::Letter) {
        word.push_back(lower_ && c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c);
      } else if (kind != Kind::Dropped) {
        flush(word, out);
        if (kind == Kind::Punctuation) out.push({&c, 1});
      }
    }
    flush(word, out);
  }

  void split(std::string_view s, ListOut<std::string_view>& out) const {
    thread_local Buffer token;
    token.bytes.clear();
    for (const char* at = s.data(); at != s.data() + s.size();) {
      const char* start = at;
      const char32_t code = unicode::next(at);
      const std::string_view character{start, static_cast<size_t>(at - start)};
      const uint8_t flags = unicode::properties(code).flags;
      if (code == '\t' || code == '\n' || code == '\r') {
        split_token(token, out);
      } else if ((flags & unicode::kControl) != 0 || code == 0xFFFD) {
        continue;
      } else if ((flags & unicode::kSpace) != 0) {
        split_token(token, out);
      } else if (is_cjk(code)) {
        split_token(token, out);
        token.append(character);
        split_token(token, out);
      } else {
        token.append(character);
      }
    }
    split_token(token, out);
  }

  // What stands between white space, at its punctuation marks; the token is empty then.
  void split_token(Buffer& token, ListOut<std::string_view>& out) const {
    thread_local Buffer lowered, apart;
    thread_local std::string word;
    if (token.bytes.empty()) return;
    std::string_view text = token.bytes;
    if (lower_) {
      lowered.bytes.clear();
      apart.bytes.clear();
      unicode::append_lower(text, 0, lowered);
      unicode::append_normal(lowered.bytes, unicode::kNfd, apart);
      text = apart.bytes;
    }
    word.clear();
    for (const char* at = text.data(); at != text.data() + text.size();) {
      const char* start = at;
      const char32_t code = unicode::next(at);
      const std::string_view character{start, static_cast<size_t>(at - start)};
      if (lower_ && (unicode::properties(code).flags & unicode::kNonspacing) != 0) continue;
      if (is_punctuation(code)) {
        flush(word, out);
        out.push(character);
      } else {
        word.append(character);
      }
    }
    flush(word, out);
    token.bytes.clear();
  }

  static void flush(std::string& word, ListOut<std::string_view>& out) {
    if (word.empty()) return;
    out.push(word);
    word.clear();
  }

  bool lower_;
};

// BERT's wordpiece tokenizer: greedy, the longest first.
class Pieces {
 public:
  explicit Pieces(const Attributes& a)
      : trie_(a.strings("vocab")),
        inside_(trie_.walk(ByteTrie::kRoot, a.text("prefix"))),
        most_(a.integer("max_chars")) {
    const std::string_view unknown = a.text("unknown");
    const ByteTrie::Match found = trie_.longest(ByteTrie::kRoot, unknown);
    if (found.size != unknown.size()) throw EngineError("a vocab has no entry for what is unknown");
    unknown_ = found.number;
  }

  void add(std::string_view word, ListOut<int64_t>& out) const {
    const int64_t before = out.size();
    const auto most = static_cast<size_t>(most_);
    if (word.size() > most && (word.size() > 4 * most || unicode::length(word) > most_)) return out.push(unknown_);
    for (size_t at = 0; at < word.size();) {
      const uint32_t node = at == 0 ? ByteTrie::kRoot : inside_;
      const ByteTrie::Match found = node == ByteTrie::kNone ? ByteTrie::Match{} : trie_.longest(node, word.substr(at));
      if (found.size == 0) {
        out.truncate(before);
        return out.push(unknown_);
      }
      out.push(found.number);
      at += found.size;
    }
  }

  // The words between white space.
  void add_text(std::string_view s, ListOut<int64_t>& out) const {
    const char* end = s.data() + s.size();
    const char* word = s.data();
    for (const char* at = word; at != end;) {
      const char* start = at;
      if (!string::is_space(unicode::next(at))) continue;
      add({word, static_cast<size_t>(start - word)}, out);
      word = at;
    }
    add({word, static_cast<size_t>(end - word)}, out);
  }

 private:
  ByteTrie trie_;
  uint32_t inside_;  // where pieces begin that do not begin a word; kNone: there are none
  int64_t most_;
  int64_t unknown_ = 0;
};

// How many pieces of two texts stay when `room` are left for both: the longer one gives way, of equals the second.
inline std::pair<int64_t, int64_t> cut(int64_t a, int64_t b, int64_t room) {
  if (a + b <= room) return {a, b};
  const int64_t half = room / 2;
  if (b <= half) return {room - b, b};
  if (a <= room - half) return {a, room - a};
  return {room - half, half};
}

// How many places a vector of pieces has, and how many of them the texts take.
struct Layout {
  explicit Layout(const Attributes& a) : n(a.integer("n")) {
    if (n < 3) throw EngineError("a vector of pieces is too small");
  }
  int64_t kept(const ListIn<int64_t>& a) const { return std::min(a.size(), n - 2); }
  std::pair<int64_t, int64_t> kept(const ListIn<int64_t>& a, const ListIn<int64_t>& b) const {
    return cut(a.size(), b.size(), n - 3);
  }
  void fill(int64_t value, ListOut<int64_t>& out) const {
    while (out.size() < n) out.push(value);
  }
  static void repeat(int64_t value, int64_t count, ListOut<int64_t>& out) {
    for (int64_t i = 0; i < count; ++i) out.push(value);
  }
  int64_t n;
};

// The pieces between the entries that begin, separate and fill.
class Ids {
 public:
  explicit Ids(const Attributes& a) : layout_(a) {
    const std::vector<std::string_view> entries = a.strings("vocab");
    const auto line = [&](std::string_view name) {
      const auto found = std::find(entries.begin(), entries.end(), a.text(name));
      if (found == entries.end()) throw EngineError("a vocab has no entry for `" + std::string(name) + "`");
      return static_cast<int64_t>(found - entries.begin());
    };
    first_ = line("first");
    separator_ = line("separator");
    fill_ = line("fill");
  }

  void operator()(const ListIn<int64_t>& a, ListOut<int64_t>& out) const {
    out.push(first_);
    add(a, layout_.kept(a), out);
    layout_.fill(fill_, out);
  }

  void operator()(const ListIn<int64_t>& a, const ListIn<int64_t>& b, ListOut<int64_t>& out) const {
    const auto [of_a, of_b] = layout_.kept(a, b);
    out.push(first_);
    add(a, of_a, out);
    add(b, of_b, out);
    layout_.fill(fill_, out);
  }

 private:
  void add(const ListIn<int64_t>& text, int64_t size, ListOut<int64_t>& out) const {
    out.push_all(text.slice(0, size));
    out.push(separator_);
  }

  Layout layout_;
  int64_t first_ = 0, separator_ = 0, fill_ = 0;
};

}  // namespace feat::bert
