#include "engine/kernels/fitted.h"

namespace feat {

namespace {

template <class T>
void register_tables(Registry& r) {
  r.add(
      "target_mean", [](const Attributes& a) { return fitted::Means<T>(a); },
      [](const fitted::Means<T>& means, Maybe<T> x, Maybe<int64_t> sample) -> double { return means(x, sample); });
  r.add(
      "frequency", [](const Attributes& a) { return fitted::Table<T>(a, "shares"); },
      [](const fitted::Table<T>& shares, Maybe<T> x) -> double { return shares.get(x, 0.0); });
}

}  // namespace

void register_fitted(Registry& r) {
  register_tables<int64_t>(r);
  register_tables<std::string_view>(r);
  r.add(
      "bm25", [](const Attributes& a) { return fitted::Bm25(a); },
      [](const fitted::Bm25& bm25, ListIn<std::string_view> query, ListIn<std::string_view> document) -> double {
        return bm25(query, document);
      });
  r.add(
      "tf_idf", [](const Attributes& a) { return fitted::Corpus(a); },
      [](const fitted::Corpus& corpus, ListIn<std::string_view> tokens, ListOut<double>& out) {
        fitted::tf_idf(corpus, tokens, out);
      });
  r.add(
      "tf_idf_cosine", [](const Attributes& a) { return fitted::Corpus(a); },
      [](const fitted::Corpus& corpus, ListIn<std::string_view> a, ListIn<std::string_view> b) -> double {
        return fitted::tf_idf_cosine(corpus, a, b);
      });
}

}  // namespace feat
