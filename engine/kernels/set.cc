#include "engine/kernels/set.h"

#include <string_view>

namespace feat {

namespace {

template <class T>
void register_values(Registry& r) {
  r.add("overlap_count", [](ListIn<T> a, ListIn<T> b) -> int64_t { return set::overlap_count(a, b); });
  r.add("jaccard", [](ListIn<T> a, ListIn<T> b) -> double { return set::jaccard(a, b); });
}

}  // namespace

void register_set(Registry& r) {
  register_values<bool>(r);
  register_values<int64_t>(r);
  register_values<double>(r);
  register_values<std::string_view>(r);
}

}  // namespace feat
