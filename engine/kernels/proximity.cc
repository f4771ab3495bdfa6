#include "engine/kernels/proximity.h"

#include <string_view>

namespace feat {

namespace {

template <class T>
void register_values(Registry& r) {
  r.add("proximity_min_cover",
        [](ListIn<T> list, ListIn<T> terms) -> Maybe<int64_t> { return proximity::min_cover(list, terms); });
  r.add("proximity_min_distance",
        [](ListIn<T> list, ListIn<T> terms) -> Maybe<int64_t> { return proximity::min_distance(list, terms); });
  r.add("proximity_max_distance",
        [](ListIn<T> list, ListIn<T> terms) -> Maybe<int64_t> { return proximity::max_distance(list, terms); });
  r.add("proximity_mean_distance",
        [](ListIn<T> list, ListIn<T> terms) -> Maybe<double> { return proximity::mean_distance(list, terms); });
}

}  // namespace

void register_proximity(Registry& r) {
  register_values<bool>(r);
  register_values<int64_t>(r);
  register_values<double>(r);
  register_values<std::string_view>(r);
}

}  // namespace feat
