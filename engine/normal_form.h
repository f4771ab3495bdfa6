// The Unicode normal forms of valid UTF-8, in time linear in the text but for sorting runs of marks.
#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/normal_tables.h"
#include "engine/unicode.h"

namespace feat::unicode {

// A form: its bit in Normal::unstable, and what it does.
struct NormalForm {
  uint8_t bit;
  bool compatible;
  bool composes;
};

inline constexpr NormalForm kNfc{1, false, true}, kNfd{2, false, false}, kNfkc{4, true, true}, kNfkd{8, true, false};

// Hangul syllables are computed from their letters.
namespace hangul {
inline constexpr char32_t kSyllable = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
inline constexpr char32_t kLeads = 19, kVowels = 21, kTails = 28, kSyllables = kLeads * kVowels * kTails;
}  // namespace hangul

inline const Normal& normal(char32_t code) {
  const size_t block = kNormalBlocks[code >> kNormalBlockBits];
  return kNormals[kNormalRecords[block << kNormalBlockBits | (code & ((1u << kNormalBlockBits) - 1))]];
}

template <size_t N>
const Decomposition* decomposition(const Decomposition (&table)[N], char32_t code) {
  const Decomposition* found =
      std::lower_bound(std::begin(table), std::end(table), code,
                       [](const Decomposition& entry, char32_t wanted) { return entry.code < wanted; });
  return found != std::end(table) && found->code == code ? found : nullptr;
}

// What two code points become together, or 0.
inline char32_t composed(char32_t first, char32_t second) {
  using namespace hangul;
  if (first - kLead < kLeads && second - kVowel < kVowels) {
    return kSyllable + ((first - kLead) * kVowels + (second - kVowel)) * kTails;
  }
  if (first - kSyllable < kSyllables && (first - kSyllable) % kTails == 0 && second - kTail - 1 < kTails - 1) {
    return first + (second - kTail);
  }
  const auto before = [](const Composition& entry, const std::pair<char32_t, char32_t>& wanted) {
    return std::pair<char32_t, char32_t>(entry.first, entry.second) < wanted;
  };
  const std::pair<char32_t, char32_t> wanted{first, second};
  const Composition* found = std::lower_bound(std::begin(kCompositions), std::end(kCompositions), wanted, before);
  const bool fits = found != std::end(kCompositions) && found->first == first && found->second == second;
  return fits ? static_cast<char32_t>(found->composed) : 0;
}

// A part of a text that is put in order by itself: a code point in the lower 24 bits, its rank above.
class Segment {
 public:
  void clear() {
    if (marks_.capacity() > kKept) marks_ = {};
    marks_.clear();
  }

  void add(char32_t code, const NormalForm& form) {
    using namespace hangul;
    if (code - kSyllable < kSyllables) {
      const char32_t index = code - kSyllable;
      push(kLead + index / (kVowels * kTails));
      push(kVowel + index / kTails % kVowels);
      if (index % kTails != 0) push(kTail + index % kTails);
      return;
    }
    const Decomposition* found = form.compatible ? decomposition(kCompatible, code) : nullptr;
    if (found == nullptr) found = decomposition(kCanonical, code);
    if (found == nullptr) return push(code);
    for (size_t i = 0; i < found->size; ++i) push(static_cast<char32_t>(kDecomposed[found->start + i]));
  }

  // Marks by rank, those of one rank as they stand.
  void order() {
    const auto is_mark = [](uint32_t mark) { return mark >> kShift != 0; };
    for (auto at = marks_.begin(); at != marks_.end();) {
      const auto start = std::find_if(at, marks_.end(), is_mark);
      at = std::find_if_not(start, marks_.end(), is_mark);
      const auto by_rank = [](uint32_t a, uint32_t b) { return a >> kShift < b >> kShift; };
      if (!std::is_sorted(start, at, by_rank)) std::stable_sort(start, at, by_rank);
    }
  }

  void compose() {
    size_t size = 0, starter = marks_.size();
    uint32_t last = 0;  // rank of what stands before, behind the starter
    for (const uint32_t mark : marks_) {
      const uint32_t rank = mark >> kShift;
      if (starter < size && (last < rank || starter + 1 == size)) {
        const char32_t both = composed(code_of(marks_[starter]), code_of(mark));
        if (both != 0) {
          marks_[starter] = static_cast<uint32_t>(both);
          continue;
        }
      }
      if (rank == 0) starter = size;
      last = rank;
      marks_[size++] = mark;
    }
    marks_.resize(size);
  }

  template <class Out>
  void append_to(Out& out) const {
    for (const uint32_t mark : marks_) append(code_of(mark), out);
  }

 private:
  static constexpr int kShift = 24;
  static constexpr size_t kKept = size_t{1} << 16;
  static char32_t code_of(uint32_t mark) { return mark & ((1u << kShift) - 1); }
  void push(char32_t code) {
    marks_.push_back(static_cast<uint32_t>(code) | static_cast<uint32_t>(normal(code).rank) << kShift);
  }
  std::vector<uint32_t> marks_;
};

// Appends the normal form of a text. A stable code point begins a part that the ones before it do not change.
template <class Out>
void append_normal(std::string_view text, const NormalForm& form, Out& out) {
  thread_local Segment segment;
  const char* end = text.data() + text.size();
  const char* done = text.data();  // up to here it is written
  const char* at = done + ascii_prefix(text);
  const char* part = at == done ? at : at - 1;  // where the last stable code point stands
  while (at != end) {
    const char* begin = at;
    if ((normal(next(at)).unstable & form.bit) == 0) {
      part = begin;
      continue;
    }
    out.append({done, static_cast<size_t>(part - done)});
    const char* stop = at;
    while (stop != end) {
      const char* before = stop;
      if ((normal(next(stop)).unstable & form.bit) == 0) {
        stop = before;
        break;
      }
    }
    segment.clear();
    for (const char* one = part; one != stop;) segment.add(next(one), form);
    segment.order();
    if (form.composes) segment.compose();
    segment.append_to(out);
    done = part = at = stop;
  }
  out.append({done, static_cast<size_t>(end - done)});
}

}  // namespace feat::unicode
