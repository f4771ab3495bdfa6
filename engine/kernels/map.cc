#include "engine/kernels/map.h"

#include <algorithm>
#include <string_view>
#include <type_traits>

namespace feat {

namespace {

// --- of any values: these only move them --------------------------------------------------------------------------

template <class K>
const int32_t* found_rows(const Call& call, bool with_default) {
  const Argument& maps = call.arguments[0];
  const Argument& keys = call.arguments[1];
  const int32_t absent = with_default ? kDefaultRow : kNullRow;
  auto* rows = call.arena.take<int32_t>(call.rows);
  if constexpr (std::is_same_v<K, std::string_view>) {
    if (map::RowsOfKeys::suits(call.rows, maps, {&keys}, maps.column->child[0].length)) {
      for (int64_t i = 0; i < call.rows; ++i) rows[i] = maps.is_valid(0) && keys.is_valid(i) ? absent : kNullRow;
      map::each_found(*maps.column, {keys, call}, [&](int64_t i, int32_t at) { rows[i] = at; });
      return rows;
    }
  }
  map::Finder<K> finder(*maps.column);
  const Reader<K> keys_of(*keys.column);
  for (int64_t i = 0; i < call.rows; ++i) {
    rows[i] = kNullRow;
    if (!maps.is_valid(i) || !keys.is_valid(i)) continue;
    const int64_t at = finder.find(maps.row(i), keys_of(keys.row(i)));
    rows[i] = at >= 0 ? static_cast<int32_t>(at) : absent;
  }
  return rows;
}

template <class K>
Column get(const Call& call) {
  return gather(call.arguments[0].column->child[1], found_rows<K>(call, false), call.rows, call.arena);
}

template <class K>
Column get_or_default(const Call& call) {
  const Argument& otherwise = call.arguments[2];
  const int32_t* found = found_rows<K>(call, true);
  auto* which = call.arena.take<int32_t>(call.rows);
  auto* rows = call.arena.take<int32_t>(call.rows);
  for (int64_t i = 0; i < call.rows; ++i) {
    which[i] = found[i] == kDefaultRow ? 1 : 0;
    rows[i] = which[i] ? static_cast<int32_t>(otherwise.row(i)) : found[i];
  }
  const Column* columns[2] = {&call.arguments[0].column->child[1], otherwise.column};
  return gather_from(columns, 2, which, rows, call.rows, call.arena);
}

// Rows of a map of maps and two keys.
template <class K, class L>
class Pairs {
 public:
  explicit Pairs(const Call& call)
      : call_(call),
        maps_(call.arguments[0]),
        keys_(call.arguments[1]),
        inner_keys_(call.arguments[2]),
        outer_(*maps_.column),
        inner_(maps_.column->child[1]),
        key_(*keys_.column),
        inner_key_(*inner_keys_.column) {}

  const Column& inner() const { return maps_.column->child[1]; }
  bool is_valid(int64_t i) const { return maps_.is_valid(i) && keys_.is_valid(i) && inner_keys_.is_valid(i); }
  K key(int64_t i) const { return key_(keys_.row(i)); }
  L inner_key(int64_t i) const { return inner_key_(inner_keys_.row(i)); }
  int64_t row(int64_t i) const { return maps_.row(i); }

  // Calls found(row, place) for the rows that have a value: its place among all inner values.
  template <class Found>
  void each(Found found) {
    if constexpr (std::is_same_v<K, std::string_view> && std::is_same_v<L, std::string_view>) {
      const int64_t map_keys = maps_.column->child[0].length + inner().child[0].length;
      if (map::RowsOfKeys::suits(call_.rows, maps_, {&keys_, &inner_keys_}, map_keys)) {
        return map::each_pair_found(*maps_.column, {keys_, call_}, {inner_keys_, call_}, found);
      }
    }
    for (int64_t i = 0; i < call_.rows; ++i) {
      if (!is_valid(i)) continue;
      const int64_t outer = outer_.find(row(i), key(i));
      const int64_t at = outer < 0 ? -1 : inner_.find(outer, inner_key(i));
      if (at >= 0) found(i, static_cast<int32_t>(at));
    }
  }

 private:
  const Call& call_;
  const Argument &maps_, &keys_, &inner_keys_;
  map::Finder<K> outer_;
  map::Finder<L> inner_;
  Reader<K> key_;
  Reader<L> inner_key_;
};

template <class K, class L>
Column match(const Call& call) {
  Pairs<K, L> pairs(call);
  auto* rows = call.arena.take<int32_t>(call.rows);
  std::fill_n(rows, call.rows, kNullRow);
  pairs.each([&](int64_t i, int32_t at) { rows[i] = at; });
  return gather(pairs.inner().child[1], rows, call.rows, call.arena);
}

// Of floats, which a wildcard may combine.
template <class K, class L>
Column match_numbers(const Call& call) {
  const auto& wild = *static_cast<const map::Wild*>(call.state);
  Pairs<K, L> pairs(call);
  const Reader<MapIn<K, MapIn<L, double>>> map(*call.arguments[0].column);
  const Reader<double> values(pairs.inner().child[1]);
  auto* out = call.arena.take_zero<double>(call.rows);
  auto* valid = call.arena.take_zero<uint8_t>(call.rows);
  pairs.each([&](int64_t i, int32_t at) {
    out[i] = wild.given ? map::combined_one(wild.kind, values(at)) : values(at);
    valid[i] = 1;
  });
  for (int64_t i = 0; wild.given && i < call.rows; ++i) {
    if (!pairs.is_valid(i) || !(wild.is(pairs.key(i)) || wild.is(pairs.inner_key(i)))) continue;
    const Maybe<double> all = map::match(wild, map(pairs.row(i)), pairs.key(i), pairs.inner_key(i));
    out[i] = all.value;
    valid[i] = all.has;
  }
  Column column;
  column.layout = Layout::F64;
  column.length = call.rows;
  column.valid = valid;
  column.data = out;
  return column;
}

// The keys (0) or the values (1) of maps, as they lie there.
template <int part>
Column entries(const Call& call) {
  const Column& maps = *call.arguments[0].column;
  Column list = maps;
  list.layout = Layout::List;
  list.child = &maps.child[part];
  return list;
}

// Collects entries for a column of maps, each the row of a key and the row of its value.
class Entries {
 public:
  Entries(const Call& call) : call_(call), keys_(call.arena), values_(call.arena), offsets_(call.arena) {
    offsets_.push(0);
  }
  void push(int64_t key, int64_t value) {
    keys_.push(static_cast<int32_t>(key));
    values_.push(static_cast<int32_t>(value));
  }
  int64_t row_size() const { return keys_.size() - offsets_[offsets_.size() - 1]; }
  // The value of an entry of this row.
  int32_t& value(int64_t at) { return values_[offsets_[offsets_.size() - 1] + at]; }
  void end_row() { offsets_.push(checked_offset(keys_.size())); }
  const int32_t* keys() { return keys_.data(); }
  const int32_t* values() { return values_.data(); }
  int64_t size() const { return keys_.size(); }

  Column finish(const Column& keys, const Column& values, uint8_t* valid) {
    auto* children = call_.arena.take<Column>(2);
    children[0] = keys;
    children[1] = values;
    Column maps;
    maps.layout = Layout::Map;
    maps.length = call_.rows;
    maps.offsets = offsets_.data();
    maps.valid = valid;
    maps.child = children;
    return maps;
  }

 private:
  const Call& call_;
  Growing<int32_t> keys_, values_, offsets_;
};

template <class K>
Column to_map(const Call& call) {
  const Argument& key_lists = call.arguments[0];
  const Argument& value_lists = call.arguments[1];
  const Reader<ListIn<K>> keys(*key_lists.column);
  const Extents values(*value_lists.column);
  uint8_t* valid = call.validity();
  Entries entries(call);
  ValueSet<K> seen;
  for (int64_t i = 0; i < call.rows; ++i) {
    if (valid == nullptr || valid[i]) {
      const ListIn<K> row = keys(key_lists.row(i));
      const int64_t first = values.start(value_lists.row(i));
      const int64_t size = std::min(row.size(), values.size(value_lists.row(i)));
      seen.clear(size);
      for (int64_t k = 0; k < size; ++k) {
        const auto place = seen.insert(row[k]);
        if (place.fresh) {
          entries.push(row.start() + k, first + k);
        } else {
          entries.value(place.number) = static_cast<int32_t>(first + k);
        }
      }
    }
    entries.end_row();
  }
  return entries.finish(gather(key_lists.column->child[0], entries.keys(), entries.size(), call.arena),
                        gather(value_lists.column->child[0], entries.values(), entries.size(), call.arena), valid);
}

// The entries of two columns of maps: for each its place in `a` and in `b`, -1 where it is not there.
template <class K>
Entries united(const Call& call, const uint8_t* valid) {
  const Argument& a = call.arguments[0];
  const Argument& b = call.arguments[1];
  const Reader<K> a_keys(a.column->child[0]), b_keys(b.column->child[0]);
  const Extents a_rows(*a.column), b_rows(*b.column);
  Entries entries(call);
  map::Places<K> places;
  for (int64_t i = 0; i < call.rows; ++i) {
    if (valid == nullptr || valid[i]) {
      const int64_t a_start = a_rows.start(a.row(i)), b_start = b_rows.start(b.row(i));
      const int64_t a_size = a_rows.size(a.row(i)), b_size = b_rows.size(b.row(i));
      for (int64_t k = 0; k < a_size; ++k) entries.push(a_start + k, -1);
      places.look_in({a_keys, a_start, a_size});
      for (int64_t k = 0; k < b_size; ++k) {
        const int64_t at = places.find(b_keys(b_start + k));
        if (at >= 0) {
          entries.value(at) = static_cast<int32_t>(b_start + k);
        } else {
          entries.push(-1, b_start + k);
        }
      }
    }
    entries.end_row();
  }
  return entries;
}

// A part of the entries: that of `b` where `b` has the entry and `second` says so or `a` has it not.
Column picked(const Call& call, Entries& entries, int part, bool second) {
  auto* which = call.arena.take<int32_t>(entries.size());
  auto* rows = call.arena.take<int32_t>(entries.size());
  for (int64_t i = 0; i < entries.size(); ++i) {
    const int32_t a = entries.keys()[i], b = entries.values()[i];
    which[i] = b >= 0 && (second || a < 0) ? 1 : 0;
    rows[i] = which[i] ? b : a;
  }
  const Column* columns[2] = {&call.arguments[0].column->child[part], &call.arguments[1].column->child[part]};
  return gather_from(columns, 2, which, rows, entries.size(), call.arena);
}

template <class K>
Column merge(const Call& call) {
  uint8_t* valid = call.validity();
  Entries entries = united<K>(call, valid);
  return entries.finish(picked(call, entries, 0, false), picked(call, entries, 1, true), valid);
}

struct Merge {
  explicit Merge(const Attributes& attributes) : given(attributes.has("combiner")) {
    if (!given) return;
    const std::string_view name = attributes.text("combiner");
    if (name != "sum" && name != "min" && name != "max") {
      throw EngineError("there is no combiner `" + std::string(name.substr(0, 80)) + "`");
    }
    how = name == "sum" ? map::Merging::Sum : name == "min" ? map::Merging::Min : map::Merging::Max;
  }
  bool given;
  map::Merging how = map::Merging::Sum;
};

template <class K, class V>
Column merge_numbers(const Call& call) {
  const auto& merging = *static_cast<const Merge*>(call.state);
  if (!merging.given) return merge<K>(call);
  uint8_t* valid = call.validity();
  Entries entries = united<K>(call, valid);
  const Reader<V> a(call.arguments[0].column->child[1]), b(call.arguments[1].column->child[1]);
  V* values = call.arena.take<V>(entries.size());
  for (int64_t i = 0; i < entries.size(); ++i) {
    const int32_t at = entries.keys()[i], other = entries.values()[i];
    values[i] = other < 0 ? a(at) : at < 0 ? b(other) : map::merged(merging.how, a(at), b(other));
  }
  Column column;
  column.layout = std::is_same_v<V, double> ? Layout::F64 : Layout::I64;
  column.length = entries.size();
  column.data = values;
  return entries.finish(picked(call, entries, 0, false), column, valid);
}

// Maps, or maps of maps, with floats in place of their integers.
Column with_floats(const Column& maps, Arena& arena) {
  const Column& values = maps.child[1];
  auto* children = arena.take<Column>(2);
  children[0] = maps.child[0];
  if (values.layout == Layout::Map) {
    children[1] = with_floats(values, arena);
  } else {
    auto* floats = arena.take<double>(values.length);
    for (int64_t i = 0; i < values.length; ++i) floats[i] = static_cast<double>(values.as<int64_t>()[i]);
    children[1] = values;
    children[1].layout = Layout::F64;
    children[1].data = floats;
  }
  Column out = maps;
  out.child = children;
  return out;
}

Column float_values(const Call& call) { return with_floats(*call.arguments[0].column, call.arena); }

// --- of numbers ---------------------------------------------------------------------------------------------------

template <class K, class A, class B>
void register_dot(Registry& r) {
  r.add("kv_dot", [](A a, B b) -> double { return map::kv_dot<K, A, B>(a, b); });
}

template <class K, class V>
void register_numbers(Registry& r, const std::string& key, const std::string& value) {
  const std::string map = "map<" + key + "," + value + ">";
  r.add_column(
      "merge(" + map + "," + map + ")->" + map, [](const Attributes& a) { return Merge(a); }, merge_numbers<K, V>);
  r.add(
      "top_keys", [](const Attributes& a) { return std::max(a.integer("n"), int64_t{0}); },
      [](const int64_t& n, MapIn<K, V> map, ListOut<K>& out) { map::top_keys(n, map, out); });
}

template <class K, class L>
void register_match(Registry& r, const std::string& key, const std::string& inner_key) {
  r.add_column("match(map<" + key + ",map<" + inner_key + ",any>>," + key + "," + inner_key + ")->any?", match<K, L>);
  r.add_column(
      "match(map<" + key + ",map<" + inner_key + ",f64>>," + key + "," + inner_key + ")->f64?",
      [](const Attributes& a) { return map::Wild(a); }, match_numbers<K, L>);
  const std::string nested = "(map<" + key + ",map<" + inner_key;
  r.add_column("float64" + nested + ",i64>>)->" + nested.substr(1) + ",f64>>", float_values, true);
}

template <class K>
void register_key(Registry& r, const std::string& key) {
  const std::string any = "map<" + key + ",any>";
  r.add_column("get(" + any + "," + key + ")->any?", get<K>);
  r.add_column("get(" + any + "," + key + ",any?)->any?", get_or_default<K>);
  r.add_column("keys(" + any + ")->list<" + key + ">", entries<0>, true);
  r.add_column("values(" + any + ")->list<any>", entries<1>, true);
  r.add_column("to_map(list<" + key + ">,list<any>)->" + any, to_map<K>);
  r.add_column("merge(" + any + "," + any + ")->" + any, merge<K>);
  r.add_column("float64(map<" + key + ",i64>)->map<" + key + ",f64>", float_values, true);
  r.add(
      "get_many", [](const Attributes& a) { return map::Many(a); },
      [](const map::Many& many, MapIn<K, double> map, ListIn<K> keys) -> Maybe<double> {
        return map::get_many(many, map, keys);
      });
  register_numbers<K, int64_t>(r, key, "i64");
  register_numbers<K, double>(r, key, "f64");
  register_dot<K, MapIn<K, double>, MapIn<K, double>>(r);
  register_dot<K, MapIn<K, double>, ListIn<K>>(r);
  register_dot<K, ListIn<K>, MapIn<K, double>>(r);
  register_dot<K, ListIn<K>, ListIn<K>>(r);
  register_match<K, std::string_view>(r, key, "str");
  register_match<K, int64_t>(r, key, "i64");
}

}  // namespace

void register_map(Registry& r) {
  register_key<std::string_view>(r, "str");
  register_key<int64_t>(r, "i64");
}

}  // namespace feat
