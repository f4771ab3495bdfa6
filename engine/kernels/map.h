// Bodies of featdsl/operators/map.py.
#pragma once

#include <cstdint>

#include "engine/kernel.h"

namespace feat::map {

// The position of a key, or -1. Of equal keys the last one counts.
template <class K, class V>
int64_t find(const MapIn<K, V>& map, const K& key) {
  for (int64_t i = map.size() - 1; i >= 0; --i) {
    if (map.keys()[i] == key) return i;
  }
  return -1;
}

template <class K, class V>
Maybe<V> get(const MapIn<K, V>& map, const K& key, const Maybe<V>& otherwise) {
  const int64_t at = find(map, key);
  return at < 0 ? otherwise : Maybe<V>(map.values()[at]);
}

}  // namespace feat::map
