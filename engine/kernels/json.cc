#include "engine/kernels/json.h"

#include "engine/error.h"

namespace feat::json {

namespace {

// Four hexadecimal digits at `at`; negative where they are not.
int32_t hex4(std::string_view text, size_t at) {
  if (at + 4 > text.size()) return -1;
  int32_t code = 0;
  for (size_t i = at; i < at + 4; ++i) {
    const char c = text[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return -1;
    code = code * 16 + digit;
  }
  return code;
}

constexpr bool is_high_surrogate(int32_t code) { return code >= 0xd800 && code < 0xdc00; }
constexpr bool is_low_surrogate(int32_t code) { return code >= 0xdc00 && code < 0xe000; }

// The escape after a backslash at `at`: its length without the backslash, and its code point. Length 0: none.
struct Escape {
  size_t length;
  int32_t code;
};

Escape escape_at(std::string_view text, size_t at) {
  if (at >= text.size()) return {0, 0};
  switch (text[at]) {
    case '"':
    case '\\':
    case '/':
      return {1, text[at]};
    case 'b':
      return {1, '\b'};
    case 'f':
      return {1, '\f'};
    case 'n':
      return {1, '\n'};
    case 'r':
      return {1, '\r'};
    case 't':
      return {1, '\t'};
    case 'u':
      break;
    default:
      return {0, 0};
  }
  const int32_t first = hex4(text, at + 1);
  if (first < 0 || is_low_surrogate(first)) return {0, 0};
  if (!is_high_surrogate(first)) return {5, first};
  if (at + 7 > text.size() || text[at + 5] != '\\' || text[at + 6] != 'u') return {0, 0};
  const int32_t second = hex4(text, at + 7);
  if (!is_low_surrogate(second)) return {0, 0};
  return {11, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)};
}

template <class Push>
void encode(int32_t code, Push push) {
  const auto tail = [&](int shift) { push(static_cast<char>(0x80 | (code >> shift & 0x3f))); };
  if (code < 0x80) {
    push(static_cast<char>(code));
  } else if (code < 0x800) {
    push(static_cast<char>(0xc0 | code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    push(static_cast<char>(0xe0 | code >> 12));
    tail(6);
    tail(0);
  } else {
    push(static_cast<char>(0xf0 | code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// The characters of a valid string, given without its quotes.
template <class Push>
void decode(std::string_view inside, Push push) {
  for (size_t at = 0; at < inside.size();) {
    if (inside[at] != '\\') {
      push(inside[at++]);
      continue;
    }
    const Escape escape = escape_at(inside, at + 1);
    encode(escape.code, push);
    at += 1 + escape.length;
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

// Checks a text, and remembers what stands at a path. A method that gives false met what is no JSON.
class Reader {
 public:
  Reader(std::string_view text, const std::vector<Path::Step>* steps) : text_(text), steps_(steps) {}

  // `step`: how many steps of the path led here; -1 off the path.
  bool value(int step, int depth) {
    space();
    const size_t start = at_;
    Kind kind = Kind::Absent;
    const bool target = step >= 0 && static_cast<size_t>(step) == steps_->size();
    const int next = target ? -1 : step;
    switch (peek()) {
      case '"':
        kind = Kind::String;
        if (!string()) return false;
        break;
      case '[':
        kind = Kind::List;
        if (depth == kDeepest || !list(next, depth + 1)) return false;
        break;
      case '{':
        kind = Kind::Object;
        if (depth == kDeepest || !object(next, depth + 1)) return false;
        break;
      case 'n':
        kind = Kind::Null;
        if (!word("null")) return false;
        break;
      case 't':
        kind = Kind::Bool;
        if (!word("true")) return false;
        break;
      case 'f':
        kind = Kind::Bool;
        if (!word("false")) return false;
        break;
      default:
        kind = Kind::Number;
        if (!number()) return false;
    }
    if (target) found_ = {kind, text_.substr(start, at_ - start)};
    space();
    return true;
  }

  bool at_end() const { return at_ == text_.size(); }
  const Value& found() const { return found_; }

  // Calls `each(value)` for the elements of a valid list.
  template <class Each>
  void elements(Each each) {
    static const std::vector<Path::Step> here;
    steps_ = &here;
    ++at_;
    space();
    while (peek() != ']') {
      value(0, 0);
      each(found_);
      if (peek() == ',') ++at_;
    }
  }

 private:
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void space() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c != ' ' && c != '\t' && c != '\n' && c != '\r') return;
      ++at_;
    }
  }

  bool word(std::string_view wanted) {
    if (text_.substr(at_, wanted.size()) != wanted) return false;
    at_ += wanted.size();
    return true;
  }

  bool digits() {
    const size_t start = at_;
    while (is_digit(peek())) ++at_;
    return at_ > start;
  }

  bool number() {
    if (peek() == '-') ++at_;
    if (peek() == '0') {
      ++at_;
    } else if (!digits()) {
      return false;
    }
    if (peek() == '.') {
      ++at_;
      if (!digits()) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits()) return false;
    }
    return true;
  }

  bool string() {
    ++at_;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c != '\\') continue;
      const Escape escape = escape_at(text_, at_);
      if (escape.length == 0) return false;
      at_ += escape.length;
    }
    return false;
  }

  bool list(int step, int depth) {
    ++at_;
    space();
    if (peek() == ']') return ++at_, true;
    const bool on_path = step >= 0 && !(*steps_)[static_cast<size_t>(step)].is_name;
    for (int64_t index = 0;; ++index) {
      const bool here = on_path && (*steps_)[static_cast<size_t>(step)].index == index;
      if (!value(here ? step + 1 : -1, depth)) return false;
      if (peek() == ']') return ++at_, true;
      if (peek() != ',') return false;
      ++at_;
    }
  }

  bool object(int step, int depth) {
    ++at_;
    space();
    if (peek() == '}') return ++at_, true;
    const bool on_path = step >= 0 && (*steps_)[static_cast<size_t>(step)].is_name;
    for (;;) {
      space();
      const size_t start = at_;
      if (peek() != '"' || !string()) return false;
      const bool here = on_path && is_name(text_.substr(start + 1, at_ - start - 2), step);
      if (here) found_ = {};
      space();
      if (peek() != ':') return false;
      ++at_;
      if (!value(here ? step + 1 : -1, depth)) return false;
      if (peek() == '}') return ++at_, true;
      if (peek() != ',') return false;
      ++at_;
    }
  }

  bool is_name(std::string_view key, int step) {
    const std::string& name = (*steps_)[static_cast<size_t>(step)].name;
    if (key.find('\\') == key.npos) return key == name;
    key_.clear();
    decode(key, [this](char c) { key_.push_back(c); });
    return key_ == name;
  }

  std::string_view text_;
  const std::vector<Path::Step>* steps_;
  size_t at_ = 0;
  Value found_;
  std::string key_;
};

Path::Path(std::string_view text) {
  const auto wrong = [text]() -> EngineError {
    return EngineError("not a path into JSON: " + std::string(text.substr(0, 100)));
  };
  if (!text.starts_with('$')) throw wrong();
  constexpr std::string_view kEndsName = ".[]\"'*";
  for (size_t at = 1; at < text.size();) {
    if (text[at] == '.') {
      size_t end = at + 1;
      while (end < text.size() && kEndsName.find(text[end]) == kEndsName.npos) ++end;
      if (end == at + 1) throw wrong();
      steps_.push_back({true, std::string(text.substr(at + 1, end - at - 1)), 0});
      at = end;
    } else if (text.substr(at).starts_with("[\"")) {
      size_t end = at + 2;
      while (end < text.size() && text[end] != '"') {
        const size_t escaped = text[end] == '\\' ? escape_at(text, end + 1).length : 0;
        if (text[end] == '\\' && escaped == 0) throw wrong();
        end += 1 + escaped;
      }
      if (!text.substr(std::min(end, text.size())).starts_with("\"]")) throw wrong();
      Step step{true, {}, 0};
      decode(text.substr(at + 2, end - at - 2), [&step](char c) { step.name.push_back(c); });
      steps_.push_back(std::move(step));
      at = end + 2;
    } else {
      size_t end = at + 1;
      int64_t index = 0;
      while (end < text.size() && is_digit(text[end]) && end - at <= 9) index = index * 10 + (text[end++] - '0');
      if (text[at] != '[' || end == at + 1 || end >= text.size() || text[end] != ']') throw wrong();
      steps_.push_back({false, {}, index});
      at = end + 1;
    }
  }
}

Value Path::find(std::string_view text) const {
  Reader reader(text, &steps_);
  if (!reader.value(0, 0) || !reader.at_end()) return {};
  return reader.found();
}

bool append_text(const Value& value, TextOut& out) {
  if (value.kind == Kind::Absent || value.kind == Kind::Null) return false;
  if (value.kind != Kind::String) {
    out.append(value.raw);
    return true;
  }
  const std::string_view inside = value.raw.substr(1, value.raw.size() - 2);
  if (inside.find('\\') == inside.npos) {
    out.append(inside);
  } else {
    decode(inside, [&out](char c) { out.push_back(c); });
  }
  return true;
}

void push_elements(const Value& list, ListOut<std::string_view>& out) {
  Reader reader(list.raw, nullptr);
  std::string decoded;
  reader.elements([&](const Value& value) {
    if (value.kind == Kind::Null) return;
    if (value.kind != Kind::String) return out.push(value.raw);
    const std::string_view inside = value.raw.substr(1, value.raw.size() - 2);
    if (inside.find('\\') == inside.npos) return out.push(inside);
    decoded.clear();
    decode(inside, [&decoded](char c) { decoded.push_back(c); });
    out.push(decoded);
  });
}

}  // namespace feat::json
