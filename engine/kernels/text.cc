#include "engine/kernels/text.h"

namespace feat {

void register_text(Registry& r) {
  r.add(
      "normalize", [](const Attributes& a) { return text::form_of(a.text("form")); },
      [](const unicode::NormalForm& form, std::string_view s, TextOut& out) { unicode::append_normal(s, form, out); });
  r.add("fold_width", [](std::string_view s, TextOut& out) { text::fold_width(s, out); });
  r.add(
      "edit_distance", [](const Attributes& a) { return a.integer("limit"); },
      [](const int64_t& limit, std::string_view a, std::string_view b) -> int64_t {
        return text::edit_distance(a, b, limit);
      });
  r.add(
      "ngrams", [](const Attributes& a) { return text::WordGrams(a); },
      [](const text::WordGrams& grams, ListIn<std::string_view> words, ListOut<std::string_view>& out) {
        grams(words, out);
      });
  r.add(
      "char_ngrams", [](const Attributes& a) { return text::Lengths(a); },
      [](const text::Lengths& lengths, std::string_view s, ListOut<std::string_view>& out) {
        text::char_ngrams(lengths, s, out);
      });
}

}  // namespace feat
