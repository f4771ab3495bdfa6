#include <charconv>
#include <cmath>
#include <iterator>
#include <string>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/decimal.h"
#include "engine/kernels/timestamp_text.h"

namespace feat {

namespace {

struct Fixed {
  explicit Fixed(const Attributes& attributes)
      : digits(decimal::checked_digits(attributes.integer("digits"))), to_even(attributes.text("halves") == "even") {}

  int digits;
  bool to_even;
};

void append_fixed(double x, const Fixed& as, TextOut& out) {
  if (x != x) return out.append("nan");
  if (std::signbit(x)) out.push_back('-');
  if (std::isinf(x)) return out.append("inf");
  const double size = std::fabs(x);
  decimal::Buffer buffer;
  if (!as.to_even) return out.append(decimal::fixed(size, as.digits, buffer));
  // to_chars is exact, and gives halves to the even digit
  const auto end = std::to_chars(buffer.text, std::end(buffer.text), size, std::chars_format::fixed, as.digits);
  out.append({buffer.text, static_cast<size_t>(end.ptr - buffer.text)});
}

// The texts around the values of a pattern: {} is a value, {{ and }} are braces.
std::vector<std::string> pieces_of(std::string_view pattern) {
  std::vector<std::string> pieces(1);
  for (size_t at = 0; at < pattern.size(); ++at) {
    const char c = pattern[at];
    if (c != '{' && c != '}') {
      pieces.back().push_back(c);
      continue;
    }
    const char next = ++at < pattern.size() ? pattern[at] : '\0';
    if (next == c) {
      pieces.back().push_back(c);
    } else if (c == '{' && next == '}') {
      pieces.emplace_back();
    } else {
      throw EngineError("a brace in the pattern of format stands alone");
    }
  }
  return pieces;
}

}  // namespace

void register_format(Registry& r) {
  r.add(
      "fixed", [](const Attributes& a) { return Fixed(a); },
      [](const Fixed& as, double x, TextOut& out) { append_fixed(x, as, out); });
  r.add(
      "format", [](const Attributes& a) { return pieces_of(a.text("pattern")); },
      [](const std::vector<std::string>& pieces, Variadic<std::string_view> values, TextOut& out) {
        if (values.size() + 1 != pieces.size()) throw EngineError("format has another number of values than places");
        out.append(pieces[0]);
        for (size_t i = 0; i < values.size(); ++i) {
          out.append(values[i]);
          out.append(pieces[i + 1]);
        }
      });
  r.add(
      "format_timestamp",
      [](const Attributes& a) { return time::TimestampWriter(a.text("pattern"), time::Clock(a.zone("zone"))); },
      [](const time::TimestampWriter& writer, int64_t at, TextOut& out) { writer(at, out); });
}

}  // namespace feat
