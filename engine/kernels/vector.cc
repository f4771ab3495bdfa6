#include "engine/kernels/vector.h"

#include <string_view>

namespace feat {

void register_vector(Registry& r) {
  using vector::Numbers;
  r.add("dot", [](Numbers a, Numbers b) -> Maybe<double> { return vector::dot(a, b); });
  r.add("l2_norm", [](Numbers v) -> double { return std::sqrt(vector::products(v, v)); });
  r.add("euclidean", [](Numbers a, Numbers b) -> Maybe<double> { return vector::euclidean(a, b); });
  r.add("corr", [](Numbers a, Numbers b) -> Maybe<double> { return vector::corr(a, b); });
  r.add("cosine", [](Numbers a, Numbers b) -> Maybe<double> { return vector::cosine(a, b); });
  r.add("cosine", [](ListIn<bool> a, ListIn<bool> b) -> double { return vector::cosine_of_sets(a, b); });
  r.add("cosine", [](ListIn<int64_t> a, ListIn<int64_t> b) -> double { return vector::cosine_of_sets(a, b); });
  r.add("cosine",
        [](ListIn<std::string_view> a, ListIn<std::string_view> b) -> double { return vector::cosine_of_sets(a, b); });
  r.add("sum_pool",
        [](ListIn<Numbers> all, ListOut<double>& out) -> bool { return vector::sum_pool(all, false, out); });
  r.add("mean_pool",
        [](ListIn<Numbers> all, ListOut<double>& out) -> bool { return vector::sum_pool(all, true, out); });
  r.add("max_pool", [](ListIn<Numbers> all, ListOut<double>& out) -> bool {
    return vector::best_pool(all, [](double x, double best) { return x > best; }, out);
  });
  r.add("min_pool", [](ListIn<Numbers> all, ListOut<double>& out) -> bool {
    return vector::best_pool(all, [](double x, double best) { return x < best; }, out);
  });
}

}  // namespace feat
