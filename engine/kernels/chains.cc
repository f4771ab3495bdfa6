// What several kernels would do one after the other, done at once.
#include "engine/kernels/id_columns.h"
#include "engine/kernels/list.h"

namespace feat {

namespace {

const id::Hash& hash_of(const Call& call) {
  return *static_cast<const id::Hash*>((*static_cast<const Chain::States*>(call.state))[1].get());
}

// `cross(a, b) |> hash(n)`.
Column cross_hash(const Call& call) {
  const Column crossed = id::cross_scalars(call);
  auto* codes = static_cast<int64_t*>(const_cast<void*>(crossed.data));  // made above, read by nobody else
  return id::folded(hash_of(call), codes, call.rows, crossed.valid, codes);
}

Call with(const Call& call, std::span<const Argument> arguments, const void* state) {
  return {arguments, call.rows, state, call.result, call.arena, call.codes};
}

// `cross(list, list) |> hash(n) |> pad(k)`.
Column cross_hash_pad(const Call& call) {
  const auto& pad = *static_cast<const list::Pad<int64_t>*>((*static_cast<const Chain::States*>(call.state))[2].get());
  const Fold* fold = hash_of(call).fold_of_ids();
  if (id::is_beside_same_list(call) && fold != nullptr && pad.n <= kTableColumns) {
    const Column& lists = *call.arguments[1].column;
    const id::SameList same(call);
    auto* table = call.arena.take<uint64_t>(int64_t{same.count} * kTableColumns);
    auto* codes = call.arena.take<uint64_t>(checked_offset(call.rows * pad.n));  // the last piece: see its end
    xxh64_same_seeds_padded(same.seeds, same.count, id::codes_of(*lists.child), lists.offsets, call.rows, table, *fold,
                            pad.n, static_cast<uint64_t>(pad.fill), codes);
    const Column elements = id::integers(reinterpret_cast<const int64_t*>(codes), call.rows * pad.n);
    return list::padded_rows(elements, nullptr, pad.n, call);
  }
  Column crossed = id::cross_lists(call);
  auto* codes = static_cast<int64_t*>(const_cast<void*>(crossed.child->data));  // as above
  const Column folded = id::folded(hash_of(call), codes, crossed.child->length, nullptr, codes);
  crossed.child = &folded;
  const Argument lists[] = {{&crossed}};
  return list::pad<int64_t>(with(call, lists, &pad));
}

}  // namespace

void register_chains(Registry& r) {
  r.add_chain({"cross(i64...)->i64", "hash(i64?)->i64?"}, cross_hash);
  r.add_chain({"cross(list<i64>?...)->list<i64>", "*hash(i64?)->i64?", "pad(list<i64>)->list<i64>"}, cross_hash_pad);
}

}  // namespace feat
