#include "engine/kernels/id.h"

namespace feat {

namespace {

template <class T>
void register_hash(Registry& r) {
  r.add(
      "hash", [](const Attributes& a) { return id::Hash(a); },
      [](const id::Hash& hash, Maybe<T> x) -> Maybe<int64_t> { return hash(x); });
}

}  // namespace

void register_id(Registry& r) {
  register_hash<bool>(r);
  register_hash<int64_t>(r);
  register_hash<double>(r);
  register_hash<std::string_view>(r);
  r.add("cross", [](Variadic<int64_t> parts) -> int64_t { return id::cross(parts); });
  r.add("cross", [](Variadic<Maybe<ListIn<int64_t>>> parts, ListOut<int64_t>& out) { id::cross_lists(parts, out); });
  r.add(
      "lookup", [](const Attributes& a) { return id::Lookup<int64_t>(a, a.integers("vocab")); },
      [](const id::Lookup<int64_t>& lookup, Maybe<int64_t> x) -> Maybe<int64_t> { return lookup(x); });
  r.add(
      "lookup", [](const Attributes& a) { return id::Lookup<std::string_view>(a, a.strings("vocab")); },
      [](const id::Lookup<std::string_view>& lookup, Maybe<std::string_view> x) -> Maybe<int64_t> {
        return lookup(x);
      });
  r.add(
      "index", [](const Attributes& a) { return id::Index(a); },
      [](const id::Index& index, Maybe<int64_t> x) -> Maybe<int64_t> { return index(x); });
  r.add(
      "combine", [](const Attributes& a) { return id::Sizes(a); },
      [](const id::Sizes& sizes, Variadic<int64_t> parts) -> Maybe<int64_t> { return sizes(parts); });
}

}  // namespace feat
