#include "engine/kernels/parse.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "engine/kernels/json.h"
#include "engine/kernels/timestamp_text.h"

namespace feat {

namespace parse {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes a sign off the text; true for a minus.
bool take_sign(std::string_view& s) {
  if (s.empty() || (s[0] != '+' && s[0] != '-')) return false;
  const bool negative = s[0] == '-';
  s.remove_prefix(1);
  return negative;
}

size_t digits_from(std::string_view s, size_t at) {
  const size_t start = at;
  while (at < s.size() && is_digit(s[at])) ++at;
  return at - start;
}

// Whether `s`, without its sign, is a decimal number; then the exponent of its first digit that is not 0, in `lead`
// (kZero if there is none), is as large as it is written, or beyond all bounds.
constexpr int64_t kZero = INT64_MIN;
constexpr int64_t kBeyond = int64_t{1} << 60;

bool is_decimal(std::string_view s, int64_t& lead) {
  const size_t before = digits_from(s, 0);
  size_t at = before;
  size_t after = 0;
  if (at < s.size() && s[at] == '.') {
    after = digits_from(s, at + 1);
    at += 1 + after;
  }
  if (before + after == 0) return false;
  const std::string_view digits = s.substr(0, at);
  int64_t exponent = 0;
  if (at < s.size() && (s[at] == 'e' || s[at] == 'E')) {
    std::string_view rest = s.substr(at + 1);
    const bool negative = take_sign(rest);
    if (rest.empty() || digits_from(rest, 0) != rest.size()) return false;
    for (const char c : rest) exponent = exponent >= kBeyond / 16 ? exponent : exponent * 10 + (c - '0');
    if (negative) exponent = -exponent;
  } else if (at != s.size()) {
    return false;
  }
  lead = kZero;
  const size_t first = digits.find_first_not_of("0.");
  if (first != digits.npos) {
    const auto place = static_cast<int64_t>(first);
    lead = exponent + static_cast<int64_t>(before) - place - (first < before ? 1 : 0);
  }
  return true;
}

}  // namespace

Maybe<int64_t> integer(std::string_view s) {
  const bool negative = take_sign(s);
  if (s.empty() || digits_from(s, 0) != s.size()) return {};
  s.remove_prefix(std::min(s.find_first_not_of('0'), s.size()));
  if (s.size() > 19) return {};
  uint64_t size = 0;
  for (const char c : s) size = size * 10 + static_cast<uint64_t>(c - '0');
  if (size > (uint64_t{1} << 63) - (negative ? 0 : 1)) return {};
  return static_cast<int64_t>(negative ? uint64_t{0} - size : size);
}

Maybe<double> number(std::string_view s) {
  const bool negative = take_sign(s);
  int64_t lead = 0;
  if (!is_decimal(s, lead)) return {};
  double size = 0.0;
  if (lead > 310) return {};
  if (lead > -330) {  // else it rounds to 0
    const auto [end, error] = std::from_chars(s.data(), s.data() + s.size(), size);
    if (error == std::errc::result_out_of_range) {
      if (lead > 0) return {};
      size = 0.0;
    } else if (error != std::errc{} || end != s.data() + s.size() || !std::isfinite(size)) {
      return {};
    }
  }
  return negative ? -size : size;
}

Maybe<bool> boolean(std::string_view s) {
  const auto is = [s](std::string_view word) {
    if (s.size() != word.size()) return false;
    for (size_t i = 0; i < s.size(); ++i) {
      const char c = s[i] >= 'A' && s[i] <= 'Z' ? static_cast<char>(s[i] | 0x20) : s[i];
      if (c != word[i]) return false;
    }
    return true;
  };
  if (is("true") || s == "1") return true;
  if (is("false") || s == "0") return false;
  return {};
}

}  // namespace parse

namespace {

json::Path path_of(const Attributes& a) { return json::Path(a.text("path")); }

void register_json(Registry& r) {
  r.add("parse_json", path_of, [](const json::Path& path, std::string_view s, TextOut& out) -> bool {
    return json::append_text(path.find(s), out);
  });
  r.add("parse_json_int", path_of, [](const json::Path& path, std::string_view s) -> Maybe<int64_t> {
    const json::Value value = path.find(s);
    return value.kind == json::Kind::Number ? parse::integer(value.raw) : Maybe<int64_t>();
  });
  r.add("parse_json_float", path_of, [](const json::Path& path, std::string_view s) -> Maybe<double> {
    const json::Value value = path.find(s);
    return value.kind == json::Kind::Number ? parse::number(value.raw) : Maybe<double>();
  });
  r.add("parse_json_bool", path_of, [](const json::Path& path, std::string_view s) -> Maybe<bool> {
    const json::Value value = path.find(s);
    return value.kind == json::Kind::Bool ? Maybe<bool>(value.raw == "true") : Maybe<bool>();
  });
  r.add("parse_json_list", path_of,
        [](const json::Path& path, std::string_view s, ListOut<std::string_view>& out) -> bool {
          const json::Value value = path.find(s);
          if (value.kind != json::Kind::List) return false;
          json::push_elements(value, out);
          return true;
        });
}

}  // namespace

void register_parse(Registry& r) {
  r.add("parse_int", [](std::string_view s) -> Maybe<int64_t> { return parse::integer(s); });
  r.add("parse_float", [](std::string_view s) -> Maybe<double> { return parse::number(s); });
  r.add("parse_bool", [](std::string_view s) -> Maybe<bool> { return parse::boolean(s); });
  r.add(
      "parse_timestamp",
      [](const Attributes& a) { return time::TimestampReader(a.text("format"), time::Clock(a.zone("zone"))); },
      [](const time::TimestampReader& reader, std::string_view s) -> Maybe<int64_t> { return reader(s); });
  register_json(r);
}

}  // namespace feat
