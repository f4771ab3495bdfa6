#include "engine/kernels/regex.h"

namespace feat {

void register_regex(Registry& r) {
  const auto regex = [](const Attributes& a) { return regex::Regex(a); };
  r.add("regex_match", regex, [](const regex::Regex& re, std::string_view s) -> bool { return re.matches(s); });
  r.add(
      "like", [](const Attributes& a) { return regex::Regex(regex::of_like(a.text("pattern"), a.text("escape"))); },
      [](const regex::Regex& re, std::string_view s) -> bool { return re.matches(s); });
  r.add("regex_extract", regex,
        [](const regex::Regex& re, std::string_view s) -> Maybe<std::string_view> { return re.extract(s); });
  r.add("regex_extract_all", regex,
        [](const regex::Regex& re, std::string_view s, ListOut<std::string_view>& out) { re.extract_all(s, out); });
  r.add("regex_split", regex,
        [](const regex::Regex& re, std::string_view s, ListOut<std::string_view>& out) { re.split(s, out); });
  r.add(
      "regex_replace", [](const Attributes& a) { return regex::Replacement(a); },
      [](const regex::Replacement& replacement, std::string_view s, TextOut& out) { replacement(s, out); });
}

}  // namespace feat
