#include "engine/kernels/set.h"

#include <string_view>
#include <type_traits>

#include "engine/kernels/set_columns.h"

namespace feat {

namespace {

template <class T>
void register_values(Registry& r) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    r.add_column("overlap_count(list<str>,list<str>)->i64", set::overlap_of_texts);
  } else {
    r.add("overlap_count", [](ListIn<T> a, ListIn<T> b) -> int64_t { return set::overlap_count(a, b); });
  }
  r.add("containment", [](ListIn<T> a, ListIn<T> b) -> double { return set::containment(a, b); });
  r.add("intersection", [](ListIn<T> a, ListIn<T> b, ListOut<T>& out) { set::picked(a, b, true, out); });
  r.add("difference", [](ListIn<T> a, ListIn<T> b, ListOut<T>& out) { set::picked(a, b, false, out); });
  r.add("among", [](ListIn<T> list, ListIn<T> values, ListOut<bool>& out) { set::among(list, values, out); });
  r.add("max_count", [](ListIn<T> a, ListIn<T> b) -> int64_t { return set::max_count(a, b); });
  r.add("is_equal", [](ListIn<T> a, ListIn<T> b) -> bool { return set::is_equal(a, b); });
  r.add("contains_in_order", [](ListIn<T> list, ListIn<T> part) -> bool { return set::contains_in_order(list, part); });
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
