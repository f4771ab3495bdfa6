// `[get(m, k) ?? 0.0, match(n, j, k) ?? 0.0, x, …]`: what is found goes straight to its place in the list.
#include <algorithm>
#include <type_traits>
#include <vector>

#include "engine/convert.h"
#include "engine/kernels/map.h"

namespace feat {

namespace {

// Element `place` of each row.
template <class T>
class Elements {
 public:
  Elements(const Call& call, const FoundList& list)
      : width_(static_cast<int64_t>(list.parts.size())),
        rows_(call.rows),
        values_(call.arena.take<T>(checked_offset(rows_ * width_))) {
    if (rows_ == 0) return;
    for (const FoundList::Part& part : list.parts) values_[part.place] = static_cast<T>(part.otherwise);
    for (int64_t i = 1; i < rows_; ++i) std::copy_n(values_, width_, values_ + i * width_);
  }

  template <class V>
  void set(int64_t row, int64_t place, V value) {
    values_[row * width_ + place] = static_cast<T>(value);
  }
  const T* values() const { return values_; }
  int64_t width() const { return width_; }
  int64_t count() const { return rows_ * width_; }

 private:
  const int64_t width_, rows_;
  T* values_;
};

// Calls take(values) with a column's floats, held or stored.
template <class Take>
void with_floats(const Column& column, Take take) {
  if (column.layout == Layout::F32) {
    take(column.as<float>());
  } else {
    take(column.as<double>());
  }
}

// Finds what one part finds in maps that suit; false if they do not.
template <class T>
bool find_quickly(const Call& call, const FoundList::Part& part, std::span<const Argument> arguments,
                  Elements<T>& out) {
  const Argument &maps = arguments[0], &keys = arguments[1];
  const Column& map = *maps.column;
  if (arguments.size() == 2) {
    if (!map::RowsOfKeys::suits(call.rows, maps, {&keys}, map.child[0].length)) return false;
    with_floats(map.child[1], [&](const auto* values) {
      map::each_found(map, {keys, call}, [&](int64_t i, int32_t at) { out.set(i, part.place, values[at]); });
    });
    return true;
  }
  const Argument& inner_keys = arguments[2];
  const Column& inner = map.child[1];
  const int64_t map_keys = map.child[0].length + inner.child[0].length;
  if (static_cast<const map::Wild*>(part.state.get())->given) return false;
  if (!map::RowsOfKeys::suits(call.rows, maps, {&keys, &inner_keys}, map_keys)) return false;
  with_floats(inner.child[1], [&](const auto* values) {
    map::each_pair_found(map, {keys, call}, {inner_keys, call},
                         [&](int64_t i, int32_t at) { out.set(i, part.place, values[at]); });
  });
  return true;
}

// The same in any maps, by the part's own kernel.
template <class T>
void find(const Call& call, const FoundList::Part& part, std::span<const Argument> arguments, Elements<T>& out) {
  std::vector<Argument> held(arguments.begin(), arguments.end());
  const Column maps = to_held(*held[0].column, call.arena);
  held[0].column = &maps;
  const Column found =
      part.kernel->run({held, call.rows, part.state.get(), call.result.element(), call.arena, call.codes});
  for (int64_t i = 0; i < call.rows; ++i) {
    if (found.is_valid(i)) out.set(i, part.place, found.as<double>()[i]);
  }
}

template <class T>
Column made(const Call& call, const FoundList& list) {
  Elements<T> out(call, list);
  uint8_t* valid = nullptr;
  for (const FoundList::Part& part : list.parts) {
    const std::span<const Argument> arguments = call.arguments.subspan(part.first_argument, part.argument_count);
    if (part.kernel == nullptr) {
      const Argument& value = arguments[0];
      const auto* values = value.column->as<double>();
      for (int64_t i = 0; i < call.rows; ++i) out.set(i, part.place, values[value.row(i)]);
      if (value.column->valid == nullptr) continue;
      if (valid == nullptr) std::fill_n(valid = call.arena.take<uint8_t>(call.rows), call.rows, uint8_t{1});
      for (int64_t i = 0; i < call.rows; ++i) valid[i] &= static_cast<uint8_t>(value.is_valid(i));
    } else if (!find_quickly(call, part, arguments, out)) {
      find(call, part, arguments, out);
    }
  }
  Column elements;
  elements.layout = std::is_same_v<T, float> ? Layout::F32 : Layout::F64;
  elements.length = out.count();
  elements.data = out.values();
  auto* child = call.arena.take<Column>(1);
  *child = elements;
  Column vector;
  vector.layout = Layout::Vector;
  vector.width = static_cast<int32_t>(out.width());
  vector.length = call.rows;
  vector.valid = valid;
  vector.child = child;
  return vector;
}

Column found_list(const Call& call) {
  const auto& list = *static_cast<const FoundList*>(call.state);
  return list.narrow ? made<float>(call, list) : made<double>(call, list);
}

}  // namespace

void register_found_list(Registry& r) {
  r.set_found_list({"list(any?...)->list<any>?",
                    "coalesce(f64?,f64?)->f64?",
                    {"get(map<str,any>,str)->any?", "match(map<str,map<str,f64>>,str,str)->f64?"},
                    found_list});
}

}  // namespace feat
