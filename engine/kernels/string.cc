#include "engine/kernels/string.h"

#include "engine/kernels/string_columns.h"

namespace feat {

void register_string(Registry& r) {
  r.add_column(
      "lower(str)->str", [](const Call& call) { return string::with_case(call, 'A', unicode::append_lower<TextOut>); },
      true);
  r.add_column(
      "upper(str)->str", [](const Call& call) { return string::with_case(call, 'a', unicode::append_upper<TextOut>); },
      true);
  r.add("trim", [](std::string_view s) -> std::string_view { return string::trim(s); });
  r.add("concat", [](Variadic<std::string_view> parts, TextOut& out) {
    for (const std::string_view part : parts) out.append(part);
  });
  r.add(
      "split",
      [](const Attributes& a) {
        const std::string_view separator = a.text("separator");
        if (separator.empty()) throw EngineError("the separator of split is empty");
        return separator;
      },
      [](const std::string_view& separator, std::string_view s, ListOut<std::string_view>& out) {
        string::split(s, separator, out);
      });
  r.add(
      "strip", [](const Attributes& a) { return string::Characters(a.text("chars")); },
      [](const string::Characters& chars, std::string_view s) -> std::string_view {
        return string::stripped(s, [&](char32_t code) { return chars.contains(code); });
      });
  r.add("join", [](ListIn<std::string_view> list, std::string_view separator, TextOut& out) {
    string::join(list, separator, out);
  });
  r.add("replace", [](std::string_view s, std::string_view part, std::string_view by, TextOut& out) {
    string::replace(s, part, by, out);
  });
  r.add("length", [](std::string_view s) -> int64_t { return unicode::length(s); });
  r.add("starts_with", [](std::string_view s, std::string_view prefix) -> bool { return s.starts_with(prefix); });
  r.add("ends_with", [](std::string_view s, std::string_view suffix) -> bool { return s.ends_with(suffix); });
  r.add("contains", [](std::string_view s, std::string_view part) -> bool {
    return string::find(s, part) != std::string_view::npos;
  });
  r.add("find", [](std::string_view s, std::string_view part) -> Maybe<int64_t> { return string::position(s, part); });
  r.add("substr", [](std::string_view s, int64_t start) -> std::string_view { return string::from(s, start); });
  r.add("substr", [](std::string_view s, int64_t start, int64_t length) -> std::string_view {
    return string::substr(s, start, length);
  });
  r.add("reverse", [](std::string_view s, TextOut& out) { string::reverse(s, out); });
  r.add(
      "repeat",
      [](const Attributes& a) {
        const int64_t n = a.integer("n");
        if (n < 0 || n > string::kMostRepeats) throw EngineError("a text is repeated " + std::to_string(n) + " times");
        return n;
      },
      [](const int64_t& n, std::string_view s, TextOut& out) {
        for (int64_t i = 0; i < n; ++i) out.append(s);
      });
  r.add(
      "left_pad", [](const Attributes& a) { return string::Padding(a); },
      [](const string::Padding& padding, std::string_view s, TextOut& out) {
        padding.append_for(s, out);
        out.append(s);
      });
  r.add(
      "right_pad", [](const Attributes& a) { return string::Padding(a); },
      [](const string::Padding& padding, std::string_view s, TextOut& out) {
        out.append(s);
        padding.append_for(s, out);
      });
  r.add_column("words(str)->list<str>", string::words, true);
}

}  // namespace feat
