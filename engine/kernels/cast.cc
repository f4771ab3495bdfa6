#include "engine/kernels/cast.h"

#include <charconv>

#include "engine/rows_many.h"

namespace feat {

namespace cast {

void append_integer(int64_t x, TextOut& out) {
  char text[24];
  const auto end = std::to_chars(text, text + sizeof(text), x).ptr;
  out.append({text, static_cast<size_t>(end - text)});
}

namespace {

void append_zeros(int count, TextOut& out) {
  for (int i = 0; i < count; ++i) out.push_back('0');
}

// `digits` are the significant ones, the first of them of weight 10^exponent.
void append_fixed(std::string_view digits, int exponent, TextOut& out) {
  const int count = static_cast<int>(digits.size());
  if (exponent < 0) {
    out.append("0.");
    append_zeros(-exponent - 1, out);
    out.append(digits);
  } else if (exponent >= count - 1) {
    out.append(digits);
    append_zeros(exponent - count + 1, out);
    out.append(".0");
  } else {
    out.append(digits.substr(0, static_cast<size_t>(exponent) + 1));
    out.push_back('.');
    out.append(digits.substr(static_cast<size_t>(exponent) + 1));
  }
}

void append_scientific(std::string_view digits, int exponent, TextOut& out) {
  out.push_back(digits[0]);
  if (digits.size() > 1) {
    out.push_back('.');
    out.append(digits.substr(1));
  }
  out.append(exponent < 0 ? "e-" : "e+");
  const int size = exponent < 0 ? -exponent : exponent;
  if (size < 10) out.push_back('0');
  append_integer(size, out);
}

}  // namespace

void append_float(double x, TextOut& out) {
  if (x != x) return out.append("nan");
  char text[32];  // "-d.ddde±xxx", in the fewest digits that read back
  const auto end = std::to_chars(text, text + sizeof(text), x, std::chars_format::scientific).ptr;
  std::string_view shortest(text, static_cast<size_t>(end - text));
  if (shortest.front() == '-') {
    out.push_back('-');
    shortest.remove_prefix(1);
  }
  const size_t mark = shortest.find('e');
  if (mark == shortest.npos) return out.append(shortest);  // inf
  char digits[24];
  size_t count = 0;
  for (const char c : shortest.substr(0, mark)) {
    if (c != '.') digits[count++] = c;
  }
  int exponent = 0;
  const size_t sign = shortest[mark + 1] == '+' ? 2 : 1;
  std::from_chars(shortest.data() + mark + sign, shortest.data() + shortest.size(), exponent);
  const bool fixed = exponent >= -4 && exponent < 16;
  return fixed ? append_fixed({digits, count}, exponent, out) : append_scientific({digits, count}, exponent, out);
}

Column float64_of_integers(const Call& call) {
  auto* out = call.arena.take<double>(call.rows);
  Column column = *call.arguments[0].column;
  doubles_of(column.as<int64_t>(), call.rows, out);
  column.layout = Layout::F64;
  column.data = out;
  return column;
}

}  // namespace cast

void register_cast(Registry& r) {
  r.add("bool", [](bool x) -> bool { return x; });
  r.add("bool", [](int64_t x) -> bool { return x != 0; });
  r.add("bool", [](double x) -> bool { return x != 0.0; });

  r.add("int32", [](bool x) -> int64_t { return x; });
  r.add("int32", [](int64_t x) -> Maybe<int64_t> { return cast::to_int32(x); });
  r.add("int32", [](double x) -> Maybe<int64_t> { return cast::to_int32(x); });

  r.add("int64", [](bool x) -> int64_t { return x; });
  r.add("int64", [](int64_t x) -> int64_t { return x; });
  r.add("int64", [](double x) -> Maybe<int64_t> { return cast::to_int64(x); });

  r.add("float32", [](bool x) -> double { return x; });
  r.add("float32", [](int64_t x) -> double { return cast::to_float32(x); });
  r.add("float32", [](double x) -> Maybe<double> { return cast::to_float32(x); });

  r.add("float64", [](bool x) -> double { return x; });
  r.add_column("float64(i64)->f64", cast::float64_of_integers, true);
  r.add("float64", [](double x) -> double { return x; });

  r.add("string", [](std::string_view x) -> std::string_view { return x; });
  r.add("string", [](bool x, TextOut& out) { out.append(x ? "true" : "false"); });
  r.add("string", [](int64_t x, TextOut& out) { cast::append_integer(x, out); });
  r.add("string", [](double x, TextOut& out) { cast::append_float(x, out); });
}

}  // namespace feat
