#include <cmath>
#include <string>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/decimal.h"
#include "engine/kernels/timestamp_text.h"

namespace feat {

namespace {

void append_fixed(double x, int digits, TextOut& out) {
  if (x != x) return out.append("nan");
  if (std::signbit(x)) out.push_back('-');
  if (std::isinf(x)) return out.append("inf");
  decimal::Buffer buffer;
  out.append(decimal::fixed(std::fabs(x), digits, buffer));
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
      "fixed", [](const Attributes& a) { return decimal::checked_digits(a.integer("digits")); },
      [](const int& digits, double x, TextOut& out) { append_fixed(x, digits, out); });
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
