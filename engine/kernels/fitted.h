// Bodies of featdsl/operators/fitted.py.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/kernel.h"
#include "engine/kernels/id.h"
#include "engine/kernels/value_set.h"

namespace feat::fitted {

template <class T>
id::VocabIndex<T> index_of(const Attributes& attributes) {
  if constexpr (std::is_same_v<T, std::string_view>) {
    return id::VocabIndex<T>(attributes.strings("vocab"));
  } else {
    return id::VocabIndex<T>(attributes.integers("vocab"));
  }
}

inline void expect_numbers(std::span<const double> numbers, size_t wanted, const char* name) {
  if (numbers.size() != wanted) throw EngineError(std::string("`") + name + "` has another length than its vocab");
}

// Numbers of the entries of a vocab, `columns` of them each.
template <class T>
class Table {
 public:
  Table(const Attributes& attributes, const char* name, size_t columns = 1)
      : index_(index_of<T>(attributes)), numbers_(attributes.numbers(name)), columns_(columns) {
    expect_numbers(numbers_, index_.size() * columns, name);
  }

  double get(const Maybe<T>& x, double otherwise, size_t column = 0) const {
    const int64_t number = index_(x);
    return number < 2 ? otherwise : numbers_[static_cast<size_t>(number - 2) * columns_ + column];
  }

 private:
  id::VocabIndex<T> index_;
  std::span<const double> numbers_;
  size_t columns_;
};

// The first column is of all samples, the others leave a fold out.
template <class T>
class Means {
 public:
  explicit Means(const Attributes& attributes)
      : otherwise_(attributes.numbers("otherwise")), table_(attributes, "means", otherwise_.size()) {
    if (otherwise_.empty()) throw EngineError("`otherwise` is empty");
  }

  double operator()(const Maybe<T>& x, const Maybe<int64_t>& sample) const {
    const auto folds = static_cast<int64_t>(otherwise_.size()) - 1;
    int64_t column = 0;
    if (sample.has && folds > 0) {
      const int64_t rest = sample.value % folds;
      column = 1 + (rest < 0 ? rest + folds : rest);
    }
    return table_.get(x, otherwise_[static_cast<size_t>(column)], static_cast<size_t>(column));
  }

 private:
  std::span<const double> otherwise_;
  Table<T> table_;
};

// The distinct tokens of a text in the order in which they first stand, and how often each does.
class Counts {
 public:
  void take(const ListIn<std::string_view>& tokens) {
    seen_.clear(tokens.size());
    distinct_.clear();
    counts_.clear();
    for (const std::string_view token : tokens) {
      const auto [number, fresh] = seen_.insert(token);
      if (fresh) {
        distinct_.push_back(token);
        counts_.push_back(0);
      }
      ++counts_[static_cast<size_t>(number)];
    }
  }

  size_t size() const { return distinct_.size(); }
  std::string_view token(size_t i) const { return distinct_[i]; }
  double count(size_t i) const { return static_cast<double>(counts_[i]); }
  double count_of(std::string_view token) const {
    const int64_t number = distinct_.empty() ? -1 : seen_.find(token);
    return number < 0 ? 0.0 : count(static_cast<size_t>(number));
  }

 private:
  ValueSet<std::string_view> seen_;
  std::vector<std::string_view> distinct_;
  std::vector<int64_t> counts_;
};

// The idf of tokens.
class Corpus {
 public:
  explicit Corpus(const Attributes& attributes) : table_(attributes, "idf"), unseen_(attributes.number("unseen")) {}
  double idf(std::string_view token) const { return table_.get(token, unseen_); }

 private:
  Table<std::string_view> table_;
  double unseen_;
};

class Bm25 {
 public:
  explicit Bm25(const Attributes& attributes)
      : corpus_(attributes),
        mean_length_(attributes.number("mean_length")),
        k1_(attributes.number("k1")),
        b_(attributes.number("b")) {}

  double operator()(const ListIn<std::string_view>& query, const ListIn<std::string_view>& document) const {
    if (query.empty() || document.empty()) return 0.0;
    thread_local Counts counts;
    counts.take(document);
    const double norm = k1_ * (1.0 - b_ + b_ * (static_cast<double>(document.size()) / mean_length_));
    double total = 0.0;
    for (const std::string_view token : query) {
      const double tf = counts.count_of(token);
      if (tf > 0) total += corpus_.idf(token) * (tf * (k1_ + 1.0)) / (tf + norm);
    }
    return total;
  }

 private:
  Corpus corpus_;
  double mean_length_, k1_, b_;
};

inline void tf_idf(const Corpus& corpus, const ListIn<std::string_view>& tokens, ListOut<double>& out) {
  thread_local Counts counts;
  counts.take(tokens);
  const auto size = static_cast<double>(tokens.size());
  for (const std::string_view token : tokens) out.push((counts.count_of(token) / size) * corpus.idf(token));
}

inline double tf_idf_cosine(const Corpus& corpus, const ListIn<std::string_view>& a,
                            const ListIn<std::string_view>& b) {
  thread_local Counts counts_a, counts_b;
  counts_a.take(a);
  counts_b.take(b);
  double product = 0.0, lengths = 0.0, other = 0.0;
  for (size_t i = 0; i < counts_a.size(); ++i) {
    const std::string_view token = counts_a.token(i);
    const double idf = corpus.idf(token);
    const double weight = counts_a.count(i) * idf;
    const double count = counts_b.count_of(token);
    product += weight * (count == 0 ? 0.0 : count * idf);
    lengths += weight * weight;
  }
  for (size_t i = 0; i < counts_b.size(); ++i) {
    const double weight = counts_b.count(i) * corpus.idf(counts_b.token(i));
    other += weight * weight;
  }
  const double scale = std::sqrt(lengths) * std::sqrt(other);
  return scale > 0 ? product / scale : 0.0;
}

}  // namespace feat::fitted
