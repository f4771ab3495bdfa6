// Bodies of featdsl/operators/numeric.py.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernel.h"
#include "engine/rows_many.h"
#include "engine/strictmath.h"

namespace feat::numeric {

// Ascending edges; `right`: a value on an edge goes down.
template <class T>
struct Buckets {
  std::span<const T> edges;
  bool right = false;

  // How many edges are not greater than x (`right`: less than x), without branches. 0 for NaN.
  int64_t find(T x) const {
    if (edges.empty()) return 0;
    size_t base = 0;
    size_t left = edges.size();
    while (left > 1) {
      const size_t half = left / 2;
      base += static_cast<size_t>(passes(edges[base + half - 1], x)) * half;
      left -= half;
    }
    return static_cast<int64_t>(base + static_cast<size_t>(passes(edges[base], x)));
  }

 private:
  bool passes(T edge, T x) const { return right ? edge < x : edge <= x; }
};

// State Buckets, one dense argument.
template <class T>
Column bucketize(const Call& call) {
  const auto& buckets = *static_cast<const Buckets<T>*>(call.state);
  const Column& values = *call.arguments[0].column;
  const auto edge_count = static_cast<int64_t>(buckets.edges.size());
  auto* found = call.arena.take<int64_t>(call.rows);
  // Counting goes by many values at once; the search takes over where the edges are many.
  if (edge_count <= 32) {
    count_edges(values.as<T>(), buckets.edges.data(), edge_count, buckets.right, call.rows, found);
  } else {
    for (int64_t i = 0; i < call.rows; ++i) found[i] = buckets.find(values.as<T>()[i]);
  }
  Column column;
  column.length = call.rows;
  column.valid = values.valid;
  column.data = found;
  return column;
}

// Edges that grow by a factor.
class LogBuckets {
 public:
  // Errors: EngineError when there are not 2 to 1,000 buckets.
  LogBuckets(double base, int64_t buckets, double start) {
    if (buckets < 2 || buckets > 1000) throw EngineError("log_bucketize has 2 to 1000 buckets");
    for (int64_t k = 0; k + 1 < buckets; ++k) {
      edges_.push_back(start * strictmath::pow(base, static_cast<double>(k)));
    }
  }
  int64_t find(double x) const { return Buckets<double>{edges_}.find(x); }

 private:
  std::vector<double> edges_;
};

}  // namespace feat::numeric
