// Bodies of featdsl/operators/regex.py: RE2 over patterns that the checker has spelled out.
#pragma once

#include <re2/re2.h>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/kernel.h"
#include "engine/unicode.h"

namespace feat::regex {

using Piece = re2::StringPiece;

inline std::string_view view(const Piece& piece) { return {piece.data(), piece.size()}; }

// A pattern, and the group of it that is wanted.
class Regex {
 public:
  explicit Regex(const Attributes& attributes)
      : Regex(attributes.text("pattern"), attributes.has("group") ? attributes.integer("group") : 0) {}
  explicit Regex(std::string_view pattern, int64_t group = 0)
      : group_(group), re_(compiled(pattern)), inner_(pattern.find("\\B") != std::string_view::npos) {
    if (group_ < 0 || group_ > re_->NumberOfCapturingGroups()) throw EngineError("a pattern has no such group");
  }

  int groups() const { return re_->NumberOfCapturingGroups(); }
  bool matches(std::string_view s) const {
    if (inner_) return search(piece(s), 0, scratch());
    return re_->Match(piece(s), 0, s.size(), RE2::UNANCHORED, nullptr, 0);
  }

  // What the group took in the first match.
  Maybe<std::string_view> extract(std::string_view s) const {
    std::vector<Piece>& found = scratch();
    if (!search(piece(s), 0, found)) return {};
    return taken(found);
  }

  // Calls `each(groups)` for the matches from the left; one that is empty and right behind another is none.
  template <class Each>
  void for_each(std::string_view s, int groups, const Each& each) const {
    const Piece text = piece(s);
    std::vector<Piece>& found = scratch();
    found.resize(static_cast<size_t>(groups) + 1);
    const char* last = nullptr;
    for (size_t at = 0; at <= text.size() && search(text, at, found);) {
      const char* end = found[0].data() + found[0].size();
      const bool empty = found[0].empty();
      if (!empty || end != last) each(found);
      last = end;
      at = static_cast<size_t>(end - text.data());
      if (!empty) continue;
      const char* next = end;  // an empty match is found again at its place
      if (at < text.size()) unicode::next(next);
      at = at < text.size() ? static_cast<size_t>(next - text.data()) : at + 1;
    }
  }

  void extract_all(std::string_view s, ListOut<std::string_view>& out) const {
    for_each(s, static_cast<int>(group_), [&](const std::vector<Piece>& found) {
      const Maybe<std::string_view> text = taken(found);
      if (text) out.push(*text);
    });
  }

  void split(std::string_view s, ListOut<std::string_view>& out) const {
    const Piece text = piece(s);
    const char* start = text.data();
    for_each(s, 0, [&](const std::vector<Piece>& found) {
      if (found[0].empty()) return;
      out.push({start, static_cast<size_t>(found[0].data() - start)});
      start = found[0].data() + found[0].size();
    });
    out.push({start, static_cast<size_t>(text.data() + text.size() - start)});
  }

 private:
  static std::unique_ptr<RE2> compiled(std::string_view pattern) {
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(int64_t{16} << 20);
    auto re = std::make_unique<RE2>(Piece(pattern.data(), pattern.size()), options);
    if (!re->ok()) throw EngineError("a pattern is no regular expression: " + re->error());
    return re;
  }

  // An empty text may have no place in memory, but an empty match in it needs one.
  static Piece piece(std::string_view s) { return s.empty() ? Piece("", 0) : Piece(s.data(), s.size()); }

  std::vector<Piece>& scratch() const {
    thread_local std::vector<Piece> groups;
    groups.resize(static_cast<size_t>(group_) + 1);
    return groups;
  }

  bool search(const Piece& text, size_t at, std::vector<Piece>& found) const {
    while (re_->Match(text, at, text.size(), RE2::UNANCHORED, found.data(), static_cast<int>(found.size()))) {
      if (!inner_) return true;
      at = static_cast<size_t>(found[0].data() - text.data());
      if (at == text.size() || (static_cast<uint8_t>(text[at]) & 0xC0u) != 0x80) return true;
      ++at;
    }
    return false;
  }

  Maybe<std::string_view> taken(const std::vector<Piece>& found) const {
    const Piece& group = found[static_cast<size_t>(group_)];
    if (group.data() == nullptr) return {};
    return view(group);
  }

  int64_t group_;
  std::unique_ptr<RE2> re_;
  bool inner_;  // whether it has \B, which RE2 takes for true within a character too: such a match is none
};

// SQL's pattern, which the whole text must fit, as a regular expression.
inline std::string of_like(std::string_view pattern, std::string_view escape) {
  std::string out = "(?s)\\A";
  for (const char* at = pattern.data(); at != pattern.data() + pattern.size();) {
    const char* start = at;
    char32_t code = unicode::next(at);
    if (!escape.empty() && pattern.substr(static_cast<size_t>(start - pattern.data())).starts_with(escape)) {
      if (at == pattern.data() + pattern.size()) throw EngineError("a pattern ends with its escape");
      start = at;
      unicode::next(at);
      code = 0;  // whatever it is, it stands for itself
    }
    if (code == '%') {
      out += ".*";
    } else if (code == '_') {
      out += '.';
    } else {
      out += RE2::QuoteMeta(Piece(start, static_cast<size_t>(at - start)));
    }
  }
  return out + "\\z";
}

// What is put in place of a match: literal pieces, and groups between them.
class Replacement {
 public:
  explicit Replacement(const Attributes& attributes) : regex_(attributes) {
    const std::string_view text = attributes.text("replacement");
    pieces_.emplace_back();
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '\\') {
        pieces_.back().literal += text[i];
      } else if (++i < text.size() && text[i] == '\\') {
        pieces_.back().literal += text[i];
      } else {
        const int group = i < text.size() ? text[i] - '0' : -1;
        if (group < 0 || group > 9 || group > regex_.groups()) throw EngineError("a replacement names no group");
        most_ = std::max(most_, group);
        pieces_.back().group = group;
        pieces_.emplace_back();
      }
    }
  }

  void operator()(std::string_view s, TextOut& out) const {
    const char* start = s.data();
    regex_.for_each(s, most_, [&](const std::vector<Piece>& found) {
      if (!s.empty()) out.append({start, static_cast<size_t>(found[0].data() - start)});
      for (const Part& part : pieces_) {
        out.append(part.literal);
        if (part.group >= 0) out.append(view(found[static_cast<size_t>(part.group)]));
      }
      start = found[0].data() + found[0].size();
    });
    if (!s.empty()) out.append({start, static_cast<size_t>(s.data() + s.size() - start)});
  }

 private:
  struct Part {
    std::string literal;
    int group = -1;  // behind the literal; -1: none
  };
  Regex regex_;
  std::vector<Part> pieces_;
  int most_ = 0;
};

}  // namespace feat::regex
