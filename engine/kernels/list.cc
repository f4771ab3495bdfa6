#include "engine/kernels/list.h"

#include <string>
#include <type_traits>

#include "engine/kernels/membership.h"

namespace feat {

namespace {

template <class T, class Read>
void register_pad(Registry& r, Read fill) {
  const auto prepare = [fill](const Attributes& a) {
    const int64_t n = a.integer("n");
    if (n != a.result().size)
      throw EngineError("pad to " + std::to_string(n) + " gives no `" + a.result().text() + "`");
    return list::Pad<T>{n, fill(a)};
  };
  if constexpr (std::is_same_v<T, std::string_view>) {
    r.add("pad", prepare, [](const list::Pad<T>& pad, ListIn<T> values, ListOut<T>& out) { pad(values, out); });
  } else {
    const std::string list = Shape{Shape::List, {ShapeOf<T>::get()}}.text();
    r.add_column("pad(" + list + ")->" + list, prepare, list::pad<T>);
  }
}

template <class T>
void register_values(Registry& r) {
  r.add("as_list", [](Maybe<T> x, ListOut<T>& out) {
    if (x.has) out.push(x.value);
  });
  r.add("distinct", [](ListIn<T> values, ListOut<T>& out) { list::distinct(values, out); });
  const std::string type = ShapeOf<T>::get().text();
  r.add_column("contains(list<" + type + ">," + type + ")->bool",
               [](const Call& call) { return membership<T>(call, call.arguments[0], call.arguments[1]); });
}

}  // namespace

void register_list(Registry& r) {
  r.add("size", [](ListIn<Any> values) -> int64_t { return values.size(); });
  r.add("size", [](MapIn<std::string_view, Any> map) -> int64_t { return map.size(); });
  r.add("size", [](MapIn<int64_t, Any> map) -> int64_t { return map.size(); });
  r.add_column("each(list<any>)->list<any>", list::each);
  r.add_column("first(list<any>)->any?", list::first);
  r.add_column("last(list<any>)->any?", list::last);
  r.add_column("at(list<any>,i64)->any?", list::at);
  r.add_column(
      "take(list<any>)->list<any>", [](const Attributes& a) { return std::max(a.integer("n"), int64_t{0}); },
      [](const Call& call) { return list::take(call, *static_cast<const int64_t*>(call.state)); });
  register_pad<bool>(r, [](const Attributes& a) { return a.boolean("fill"); });
  register_pad<int64_t>(r, [](const Attributes& a) { return a.integer("fill"); });
  register_pad<double>(r, [](const Attributes& a) { return a.number("fill"); });
  register_pad<std::string_view>(r, [](const Attributes& a) { return a.text("fill"); });
  register_values<bool>(r);
  register_values<int64_t>(r);
  register_values<double>(r);
  register_values<std::string_view>(r);
  r.add("sum", [](ListIn<int64_t> values) -> int64_t { return list::sum(values); });
  r.add("sum", [](ListIn<double> values) -> double { return list::sum(values); });
  r.add("mean", [](ListIn<int64_t> values) -> Maybe<double> { return list::mean(values); });
  r.add("mean", [](ListIn<double> values) -> Maybe<double> { return list::mean(values); });
  r.add("count", [](ListIn<bool> values) -> int64_t { return list::count(values); });
  r.add("any", [](ListIn<bool> values) -> bool { return holds(values, true); });
  r.add("all", [](ListIn<bool> values) -> bool { return !holds(values, false); });
}

}  // namespace feat
