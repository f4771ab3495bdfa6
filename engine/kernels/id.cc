#include "engine/kernels/id.h"

#include "engine/kernels/id_columns.h"

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
  register_hash<double>(r);
  const auto hash = [](const Attributes& a) { return id::Hash(a); };
  r.add_column("hash(i64?)->i64?", hash, id::hash_integers, true);
  r.add_column("hash(str?)->i64?", hash, id::hash_texts, true);
  r.add_column("cross(i64...)->i64", id::cross_scalars);
  r.add_column("cross(list<i64>?...)->list<i64>", id::cross_lists);
  r.add(
      "lookup", [](const Attributes& a) { return id::Lookup<int64_t>(a, a.integers("vocab")); },
      [](const id::Lookup<int64_t>& lookup, Maybe<int64_t> x) -> Maybe<int64_t> { return lookup(x); });
  r.add_column(
      "lookup(str?)->i64?", [](const Attributes& a) { return id::Lookup<std::string_view>(a, a.strings("vocab")); },
      id::lookup_texts, true);
  r.add(
      "index", [](const Attributes& a) { return id::Index(a); },
      [](const id::Index& index, Maybe<int64_t> x) -> Maybe<int64_t> { return index(x); });
  r.add(
      "combine", [](const Attributes& a) { return id::Sizes(a); },
      [](const id::Sizes& sizes, Variadic<int64_t> parts) -> Maybe<int64_t> { return sizes(parts); });
}

}  // namespace feat
