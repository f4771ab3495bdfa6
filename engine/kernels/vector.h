// Bodies of featdsl/operators/vector.py. Sums run from left to right.
#pragma once

#include <cmath>
#include <cstdint>

#include "engine/kernel.h"
#include "engine/kernels/set.h"

namespace feat::vector {

using Numbers = ListIn<double>;

inline double products(const Numbers& a, const Numbers& b) {
  double total = 0;
  for (int64_t k = 0; k < a.size(); ++k) total += a[k] * b[k];
  return total;
}

inline Maybe<double> dot(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size()) return {};
  return products(a, b);
}

inline Maybe<double> euclidean(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size()) return {};
  double total = 0;
  for (int64_t k = 0; k < a.size(); ++k) total += (a[k] - b[k]) * (a[k] - b[k]);
  return std::sqrt(total);
}

inline Maybe<double> cosine(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size()) return {};
  const double scale = std::sqrt(products(a, a)) * std::sqrt(products(b, b));
  if (scale == 0) return 0.0;
  return products(a, b) / scale;
}

template <class T>
double cosine_of_sets(const ListIn<T>& a, const ListIn<T>& b) {
  if (a.empty() || b.empty()) return 0;
  const auto [both, in_a, in_b] = set::overlap(a, b);
  const double scale = std::sqrt(static_cast<double>(in_a * in_b));
  return static_cast<double>(both) / scale;
}

inline Maybe<double> corr(const Numbers& a, const Numbers& b) {
  if (a.size() != b.size() || a.empty()) return {};
  double sum_a = 0, sum_b = 0;
  bool same_a = true, same_b = true;
  for (int64_t k = 0; k < a.size(); ++k) {
    sum_a += a[k];
    sum_b += b[k];
    same_a = same_a && a[k] == a[0];
    same_b = same_b && b[k] == b[0];
  }
  if (same_a || same_b) return {};
  const double mean_a = sum_a / static_cast<double>(a.size()), mean_b = sum_b / static_cast<double>(a.size());
  double aa = 0, bb = 0, ab = 0;
  for (int64_t k = 0; k < a.size(); ++k) {
    const double x = a[k] - mean_a, y = b[k] - mean_b;
    aa += x * x;
    bb += y * y;
    ab += x * y;
  }
  const double scale = std::sqrt(aa) * std::sqrt(bb);
  if (scale == 0) return {};
  return ab / scale;
}

// The vectors' elements at each place added up.
inline bool sum_pool(const ListIn<Numbers>& vectors, bool mean, ListOut<double>& out) {
  if (vectors.empty()) return false;
  for (int64_t k = 0; k < vectors[0].size(); ++k) {
    double total = 0;
    for (const Numbers vector : vectors) total += vector[k];
    out.push(mean ? total / static_cast<double>(vectors.size()) : total);
  }
  return true;
}

// The best of the vectors' elements at each place: the first of equals.
template <class Better>
bool best_pool(const ListIn<Numbers>& vectors, Better better, ListOut<double>& out) {
  if (vectors.empty()) return false;
  for (int64_t k = 0; k < vectors[0].size(); ++k) {
    double best = vectors[0][k];
    for (const Numbers vector : vectors) best = better(vector[k], best) ? vector[k] : best;
    out.push(best);
  }
  return true;
}

}  // namespace feat::vector
