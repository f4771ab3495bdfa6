#include "engine/kernels/select.h"

#include <string>
#include <string_view>

namespace feat {

namespace {

bool descending(const Attributes& a) { return a.boolean("descending"); }

template <class T>
void register_values(Registry& r, const std::string& type) {
  r.add("sort", descending,
        [](const bool& descending, ListIn<T> list, ListOut<T>& out) { select::sort<T>(list, descending, out); });
  r.add_column("sort_by(list<any>,list<" + type + ">)->list<any>", descending,
               [](const Call& call) { return select::sort_by<T>(call, *static_cast<const bool*>(call.state)); });
  r.add("index_of", [](ListIn<T> list, T wanted) -> Maybe<int64_t> { return select::index_of<T>(list, wanted); });
  r.add("index_of", [](ListIn<T> list, ListIn<T> part) -> Maybe<int64_t> { return select::run_at<T>(list, part); });
}

}  // namespace

void register_select(Registry& r) {
  r.add_column("slice(list<any>,i64)->list<any>", select::slice);
  r.add_column("slice(list<any>,i64,i64)->list<any>", select::slice);
  r.add_column(
      "take_last(list<any>)->list<any>", [](const Attributes& a) { return std::max(a.integer("n"), int64_t{0}); },
      [](const Call& call) { return select::take_last(call, *static_cast<const int64_t*>(call.state)); });
  r.add_column("reverse(list<any>)->list<any>", select::reverse);
  r.add_column("filter(list<any>,list<bool>)->list<any>", select::filter);
  r.add_column("flatten(list<list<any>>)->list<any>", select::flatten);
  r.add_column("zip(list<str>,list<any>)->map<str,any>", select::zip<std::string_view>);
  r.add_column("zip(list<i64>,list<any>)->map<i64,any>", select::zip<int64_t>);
  r.add("diff", [](ListIn<int64_t> list, ListOut<int64_t>& out) { select::diff(list, out); });
  r.add("diff", [](ListIn<double> list, ListOut<double>& out) { select::diff(list, out); });
  register_values<bool>(r, "bool");
  register_values<int64_t>(r, "i64");
  register_values<double>(r, "f64");
  register_values<std::string_view>(r, "str");
}

}  // namespace feat
