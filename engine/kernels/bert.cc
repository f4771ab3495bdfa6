#include "engine/kernels/bert.h"

namespace feat {

namespace {

using Numbers = ListIn<int64_t>;

void register_layouts(Registry& r) {
  const auto ids = [](const Attributes& a) { return bert::Ids(a); };
  const auto layout = [](const Attributes& a) { return bert::Layout(a); };
  r.add("text_ids", ids, [](const bert::Ids& i, Numbers a, ListOut<int64_t>& out) { i(a, out); });
  r.add("text_ids", ids, [](const bert::Ids& i, Numbers a, Numbers b, ListOut<int64_t>& out) { i(a, b, out); });
  r.add("text_segments", layout, [](const bert::Layout& l, Numbers, ListOut<int64_t>& out) { l.fill(0, out); });
  r.add("text_segments", layout, [](const bert::Layout& l, Numbers a, Numbers b, ListOut<int64_t>& out) {
    const auto [of_a, of_b] = l.kept(a, b);
    bert::Layout::repeat(0, of_a + 2, out);
    bert::Layout::repeat(1, of_b + 1, out);
    l.fill(0, out);
  });
  r.add("text_mask", layout, [](const bert::Layout& l, Numbers a, ListOut<int64_t>& out) {
    bert::Layout::repeat(1, l.kept(a) + 2, out);
    l.fill(0, out);
  });
  r.add("text_mask", layout, [](const bert::Layout& l, Numbers a, Numbers b, ListOut<int64_t>& out) {
    const auto [of_a, of_b] = l.kept(a, b);
    bert::Layout::repeat(1, of_a + of_b + 3, out);
    l.fill(0, out);
  });
}

}  // namespace

void register_bert(Registry& r) {
  r.add(
      "bert_words", [](const Attributes& a) { return bert::Words(a.boolean("lower")); },
      [](const bert::Words& words, std::string_view s, ListOut<std::string_view>& out) { words(s, out); });
  const auto pieces = [](const Attributes& a) { return bert::Pieces(a); };
  r.add("wordpiece", pieces, [](const bert::Pieces& p, ListIn<std::string_view> words, ListOut<int64_t>& out) {
    for (const std::string_view word : words) p.add(word, out);
  });
  r.add("wordpiece", pieces,
        [](const bert::Pieces& p, std::string_view s, ListOut<int64_t>& out) { p.add_text(s, out); });
  register_layouts(r);
}

}  // namespace feat
