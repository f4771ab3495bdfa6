#include "engine/kernels/statistics.h"

#include <string_view>

namespace feat {

namespace {

template <class T>
void register_values(Registry& r) {
  r.add("entropy", [](ListIn<T> list) -> double { return statistics::entropy(list); });
  r.add("mode", [](ListIn<T> list) -> Maybe<T> {
    if (list.empty()) return {};
    return list[statistics::place_of_mode(list)];
  });
}

template <class T>
void register_numbers(Registry& r) {
  r.add("prod", [](ListIn<T> list) -> T { return statistics::prod(list); });
  r.add("cumulative_sum", [](ListIn<T> list, ListOut<T>& out) { statistics::cumulative_sum(list, out); });
}

}  // namespace

void register_statistics(Registry& r) {
  register_numbers<int64_t>(r);
  register_numbers<double>(r);
  register_values<bool>(r);
  register_values<int64_t>(r);
  register_values<double>(r);
  register_values<std::string_view>(r);
  r.add_column("value_counts(list<str>)->map<str,i64>", statistics::value_counts<std::string_view>);
  r.add_column("value_counts(list<i64>)->map<i64,i64>", statistics::value_counts<int64_t>);
  r.add_column("sum_by(list<str>,list<i64>)->map<str,i64>", statistics::sum_by<std::string_view, int64_t>);
  r.add_column("sum_by(list<str>,list<f64>)->map<str,f64>", statistics::sum_by<std::string_view, double>);
  r.add_column("sum_by(list<i64>,list<i64>)->map<i64,i64>", statistics::sum_by<int64_t, int64_t>);
  r.add_column("sum_by(list<i64>,list<f64>)->map<i64,f64>", statistics::sum_by<int64_t, double>);
  r.add(
      "histogram",
      [](const Attributes& a) {
        const auto edges = a.numbers("edges");
        return std::vector<double>(edges.begin(), edges.end());
      },
      [](const std::vector<double>& edges, ListIn<double> list, ListOut<int64_t>& out) {
        statistics::histogram(edges, list, out);
      });
  r.add(
      "ew_mean", [](const Attributes& a) { return a.number("alpha"); },
      [](const double& alpha, ListIn<double> list) -> Maybe<double> { return statistics::ew_mean(alpha, list); });
  r.add("drawdown", [](ListIn<double> list) -> Maybe<double> { return statistics::drawdown(list); });
}

}  // namespace feat
