#include "engine/kernels/logic.h"

#include <string>

#include "engine/kernels/membership.h"
#include "engine/rows_many.h"

namespace feat {

namespace logic {

namespace {

// Row i is row i of argument `first + which[i]`.
Column gather_rows(const Call& call, size_t first, const int32_t* which) {
  const Column* columns[2] = {call.arguments[first].column, call.arguments[first + 1].column};
  int32_t* rows = call.arena.take<int32_t>(call.rows);
  for (int64_t i = 0; i < call.rows; ++i) {
    rows[i] = static_cast<int32_t>(call.arguments[first + static_cast<size_t>(which[i])].row(i));
  }
  return gather_from(columns, 2, which, rows, call.rows, call.arena);
}

}  // namespace

Column choose(const Call& call) {
  const Argument& condition = call.arguments[0];
  const uint8_t* truth = condition.column->as<uint8_t>();
  int32_t* which = call.arena.take<int32_t>(call.rows);
  for (int64_t i = 0; i < call.rows; ++i) {
    which[i] = condition.is_valid(i) && truth[condition.row(i)] != 0 ? 0 : 1;
  }
  return gather_rows(call, 1, which);
}

Column coalesce(const Call& call) {
  int32_t* which = call.arena.take<int32_t>(call.rows);
  for (int64_t i = 0; i < call.rows; ++i) which[i] = call.arguments[0].is_valid(i) ? 0 : 1;
  return gather_rows(call, 0, which);
}

// Of values of one width.
template <class Bits>
Column coalesce_fixed(const Call& call, Layout layout) {
  const Argument &value = call.arguments[0], &other = call.arguments[1];
  auto* out = call.arena.take<Bits>(call.rows);
  Column chosen;
  chosen.layout = layout;
  chosen.length = call.rows;
  chosen.data = out;
  const auto* values = value.column->as<Bits>();
  const auto* others = other.column->as<Bits>();
  if (value.is_dense() && value.column->valid == nullptr) {
    chosen.data = values;
  } else if (value.is_dense() && other.rows == nullptr && other.column->valid == nullptr) {
    choose_valid(value.column->valid, values, others, other.step, call.rows, out);
  } else {
    auto* valid = call.arena.take<uint8_t>(call.rows);
    for (int64_t i = 0; i < call.rows; ++i) {
      const bool has = value.is_valid(i);
      out[i] = has ? values[value.row(i)] : others[other.row(i)];
      valid[i] = static_cast<uint8_t>(has | other.is_valid(i));
    }
    chosen.valid = valid;
  }
  return chosen;
}

}  // namespace logic

namespace {

template <class T>
void register_comparison(Registry& r) {
  r.add("equal", [](T a, T b) -> bool { return a == b; });
  r.add("not_equal", [](T a, T b) -> bool { return a != b; });
  r.add("less", [](T a, T b) -> bool { return a < b; });
  r.add("less_equal", [](T a, T b) -> bool { return a <= b; });
  r.add("greater", [](T a, T b) -> bool { return a > b; });
  r.add("greater_equal", [](T a, T b) -> bool { return a >= b; });
  const std::string type = ShapeOf<T>::get().text();
  r.add_column("in(" + type + ",list<" + type + ">)->bool",
               [](const Call& call) { return membership<T>(call, call.arguments[1], call.arguments[0]); });
}

// Of fixed width, where a loop over all rows is faster than gathering.
template <class T>
void register_choice(Registry& r) {
  r.add("if", [](Maybe<bool> condition, Maybe<T> then, Maybe<T> otherwise) -> Maybe<T> {
    return condition.has & condition.value ? then : otherwise;
  });
}

}  // namespace

void register_logic(Registry& r) {
  register_comparison<bool>(r);
  register_comparison<int64_t>(r);
  register_comparison<double>(r);
  register_comparison<std::string_view>(r);
  r.add("and", [](Maybe<bool> a, Maybe<bool> b) -> Maybe<bool> { return logic::both(a, b); });
  r.add("or", [](Maybe<bool> a, Maybe<bool> b) -> Maybe<bool> { return logic::either(a, b); });
  r.add("not", [](bool x) -> bool { return !x; });
  r.add("is_null", [](Maybe<Any> value) -> bool { return !value.has; });

  register_choice<bool>(r);
  register_choice<int64_t>(r);
  register_choice<double>(r);
  r.add_column("if(bool?,any?,any?)->any?", logic::choose);
  r.add_column("coalesce(bool?,bool?)->bool?",
               [](const Call& call) { return logic::coalesce_fixed<uint8_t>(call, Layout::Bool); });
  r.add_column("coalesce(i64?,i64?)->i64?",
               [](const Call& call) { return logic::coalesce_fixed<uint64_t>(call, Layout::I64); });
  r.add_column("coalesce(f64?,f64?)->f64?",
               [](const Call& call) { return logic::coalesce_fixed<uint64_t>(call, Layout::F64); });
  r.add_column("coalesce(any?,any?)->any?", logic::coalesce);
}

}  // namespace feat
