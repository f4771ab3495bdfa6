#include "engine/kernels/string.h"

namespace feat {

namespace {

template <class T>
void register_concat(Registry& r) {
  r.add("concat", [](Variadic<ListIn<T>> parts, ListOut<T>& out) {
    for (const ListIn<T> part : parts) out.push_all(part);
  });
}

}  // namespace

void register_string(Registry& r) {
  r.add("lower", [](std::string_view s, TextOut& out) { string::lower(s, out); });
  r.add("upper", [](std::string_view s, TextOut& out) { string::upper(s, out); });
  r.add("trim", [](std::string_view s) -> std::string_view { return string::trim(s); });
  r.add("concat", [](Variadic<std::string_view> parts, TextOut& out) {
    for (const std::string_view part : parts) out.append(part);
  });
  register_concat<bool>(r);
  register_concat<int64_t>(r);
  register_concat<double>(r);
  register_concat<std::string_view>(r);
  register_concat<ListIn<bool>>(r);
  register_concat<ListIn<int64_t>>(r);
  register_concat<ListIn<double>>(r);
  register_concat<ListIn<std::string_view>>(r);
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
  r.add("length", [](std::string_view s) -> int64_t { return unicode::length(s); });
  r.add("starts_with", [](std::string_view s, std::string_view prefix) -> bool { return s.starts_with(prefix); });
  r.add("ends_with", [](std::string_view s, std::string_view suffix) -> bool { return s.ends_with(suffix); });
  r.add("words", [](std::string_view s, ListOut<std::string_view>& out) { string::words(s, out); });
}

}  // namespace feat
