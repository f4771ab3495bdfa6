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
      "lookup", [](const Attributes& a) { return id::VocabIndex<int64_t>(a.integers("vocab")); },
      [](const id::VocabIndex<int64_t>& index, Maybe<int64_t> x) -> int64_t { return index(x); });
  r.add(
      "lookup", [](const Attributes& a) { return id::VocabIndex<std::string_view>(a.strings("vocab")); },
      [](const id::VocabIndex<std::string_view>& index, Maybe<std::string_view> x) -> int64_t { return index(x); });
}

}  // namespace feat
