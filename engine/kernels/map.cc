#include "engine/kernels/map.h"

#include <string_view>

namespace feat {

namespace {

template <class K, class V>
void register_get(Registry& r) {
  r.add("get", [](MapIn<K, V> map, K key) -> Maybe<V> { return map::get(map, key, Maybe<V>()); });
  r.add("get", [](MapIn<K, V> map, K key, Maybe<V> otherwise) -> Maybe<V> { return map::get(map, key, otherwise); });
}

template <class V>
void register_value(Registry& r) {
  register_get<std::string_view, V>(r);
  register_get<int64_t, V>(r);
}

}  // namespace

void register_map(Registry& r) {
  register_value<bool>(r);
  register_value<int64_t>(r);
  register_value<double>(r);
  register_value<std::string_view>(r);
}

}  // namespace feat
