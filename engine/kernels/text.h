// Bodies of featdsl/operators/text.py.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kernel.h"
#include "engine/normal_form.h"
#include "engine/unicode.h"

namespace feat::text {

inline unicode::NormalForm form_of(std::string_view name) {
  if (name == "NFC") return unicode::kNfc;
  if (name == "NFD") return unicode::kNfd;
  if (name == "NFKC") return unicode::kNfkc;
  if (name == "NFKD") return unicode::kNfkd;
  throw EngineError("no normal form is named `" + std::string(name) + "`");
}

inline void fold_width(std::string_view s, TextOut& out) {
  constexpr char32_t kIdeographicSpace = 0x3000;
  const char* end = s.data() + s.size();
  const char* done = s.data();
  for (const char* at = done + unicode::ascii_prefix(s); at != end;) {
    const char* begin = at;
    const char32_t code = unicode::next(at);
    const bool near = code - unicode::kWidthStart < std::size(unicode::kWidthFolded);
    if (!near && code != kIdeographicSpace) continue;
    out.append({done, static_cast<size_t>(begin - done)});
    unicode::append(near ? char32_t{unicode::kWidthFolded[code - unicode::kWidthStart]} : U' ', out);
    done = at;
  }
  out.append({done, static_cast<size_t>(end - done)});
}

using Codes = std::vector<char32_t>;

inline void decode(std::string_view s, Codes& codes) {
  codes.clear();
  codes.reserve(s.size());
  for (const char* at = s.data(); at != s.data() + s.size();) codes.push_back(unicode::next(at));
}

// The edit distance of a text of at most 64 code points: Myers's bit vectors, as Hyyrö has them (2003).
class ShortPattern {
 public:
  int64_t distance(const char32_t* a, size_t n, const char32_t* b, size_t m) {
    std::array<Slot*, 64> used;
    for (size_t i = 0; i < n; ++i) {
      used[i] = &slot(a[i]);
      used[i]->mask |= uint64_t{1} << i;
    }
    uint64_t up = ~uint64_t{0}, down = 0;
    const uint64_t last = uint64_t{1} << (n - 1);
    auto distance = static_cast<int64_t>(n);
    for (size_t j = 0; j < m; ++j) {
      const uint64_t match = find(b[j]);
      const uint64_t zero = (((match & up) + up) ^ up) | match | down;
      uint64_t right = down | ~(zero | up);
      uint64_t left = zero & up;
      distance += (right & last) != 0;
      distance -= (left & last) != 0;
      right = right << 1 | 1;
      left <<= 1;
      up = left | ~(zero | right);
      down = right & zero;
    }
    for (size_t i = 0; i < n; ++i) used[i]->mask = 0;
    return distance;
  }

 private:
  struct Slot {
    char32_t code = 0;
    uint64_t mask = 0;  // where the code point stands; 0: free
  };

  Slot& slot(char32_t code) {
    for (size_t at = code;; ++at) {
      Slot& found = slots_[at % kSlots];
      if (found.mask == 0) found.code = code;
      if (found.code == code) return found;
    }
  }
  uint64_t find(char32_t code) const {
    for (size_t at = code;; ++at) {
      const Slot& found = slots_[at % kSlots];
      if (found.mask == 0 || found.code == code) return found.mask;
    }
  }

  static constexpr size_t kSlots = 256;
  std::array<Slot, kSlots> slots_{};
};

// How far from the start two runs of code points are the same, `size` at most.
inline int64_t same_prefix(const char32_t* a, const char32_t* b, int64_t size) {
  constexpr int64_t kStep = 64;
  int64_t at = 0;
  while (size - at >= kStep && std::memcmp(a + at, b + at, kStep * sizeof(char32_t)) == 0) at += kStep;
  while (at < size && a[at] == b[at]) ++at;
  return at;
}

// The edit distance by furthest reaching points (Ukkonen 1985): after each edit, how far each diagonal gets. Both
// texts have a code point, `b` as many as `a` or more, and fewer than `limit` more.
inline int64_t bounded_distance(const char32_t* a, int64_t n, const char32_t* b, int64_t m, int64_t limit) {
  constexpr int64_t kNowhere = -(int64_t{1} << 40);
  thread_local std::vector<int64_t> before, here;
  const int64_t middle = limit + 1, goal = m - n;
  before.assign(static_cast<size_t>(2 * limit + 3), kNowhere);
  here = before;
  before[static_cast<size_t>(middle)] = same_prefix(a, b, std::min(n, m));
  if (goal == 0 && before[static_cast<size_t>(middle)] == n) return 0;
  for (int64_t edits = 1; edits < limit; ++edits) {
    // the diagonals from which the goal can be reached with the edits that are left
    const int64_t low = std::max({-edits, -n, goal - (limit - edits)});
    const int64_t high = std::min({edits, m, goal + (limit - edits)});
    for (int64_t diagonal = low; diagonal <= high; ++diagonal) {
      const auto place = static_cast<size_t>(middle + diagonal);
      int64_t row = std::max({before[place] + 1, before[place - 1], before[place + 1] + 1});
      row = std::min({row, n, m - diagonal});
      if (row < 0 || row + diagonal < 0) {
        here[place] = kNowhere;
        continue;
      }
      row += same_prefix(a + row, b + row + diagonal, std::min(n - row, m - diagonal - row));
      if (diagonal == goal && row == n) return edits;
      here[place] = row;
    }
    before.swap(here);
  }
  return limit;
}

inline int64_t edit_distance(std::string_view a, std::string_view b, int64_t limit) {
  thread_local Codes first, second;
  thread_local ShortPattern short_pattern;
  if (a == b) return 0;
  decode(a, first);
  decode(b, second);
  if (first.size() > second.size()) first.swap(second);
  const auto same_start = std::mismatch(first.begin(), first.end(), second.begin(), second.end()).first - first.begin();
  const char32_t* from = first.data() + same_start;
  const char32_t* to = second.data() + same_start;
  auto n = static_cast<int64_t>(first.size()) - same_start, m = static_cast<int64_t>(second.size()) - same_start;
  while (n > 0 && from[n - 1] == to[m - 1]) --n, --m;
  if (m - n >= limit) return limit;
  if (n == 0) return m;
  if (n <= 64) return std::min(limit, short_pattern.distance(from, static_cast<size_t>(n), to, static_cast<size_t>(m)));
  return bounded_distance(from, n, to, m, limit);
}

// How many parts the n-grams have.
struct Lengths {
  explicit Lengths(const Attributes& a)
      : shortest(a.integer(a.has("n") ? "n" : "shortest")), longest(a.integer(a.has("n") ? "n" : "longest")) {
    if (shortest < 1) throw EngineError("an n-gram has no part");
  }
  int64_t shortest, longest;
};

// N-grams of words, and what stands between their words.
struct WordGrams {
  explicit WordGrams(const Attributes& a) : lengths(a), separator(a.text("separator")) {}
  void operator()(const ListIn<std::string_view>& words, ListOut<std::string_view>& out) const {
    thread_local std::string gram;
    for (int64_t size = lengths.shortest; size <= lengths.longest; ++size) {
      for (int64_t start = 0; start + size <= words.size(); ++start) {
        gram.assign(words[start]);
        for (int64_t i = 1; i < size; ++i) gram.append(separator).append(words[start + i]);
        out.push(gram);
      }
    }
  }
  Lengths lengths;
  std::string_view separator;
};

inline void char_ngrams(const Lengths& lengths, std::string_view s, ListOut<std::string_view>& out) {
  const char* end = s.data() + s.size();
  for (int64_t size = lengths.shortest; size <= lengths.longest; ++size) {
    const char* start = s.data();
    const char* stop = start;
    int64_t count = 0;
    for (; count < size && stop != end; ++count) unicode::next(stop);
    if (count < size) return;  // and a longer one has no place either
    out.push({start, static_cast<size_t>(stop - start)});
    while (stop != end) {
      unicode::next(start);
      unicode::next(stop);
      out.push({start, static_cast<size_t>(stop - start)});
    }
  }
}

}  // namespace feat::text
