// What the author of a kernel writes against.
//
//   void register_math(Registry& r) {
//     r.add("clip", [](double x, double low, double high) -> double { return x < low ? low : x > high ? high : x; });
//     r.add("divide", [](double a, double b) -> Maybe<double> { if (b == 0) return {}; return a / b; });
//     r.add("lower", [](std::string_view s, TextOut& out) { … out.append(…); });
//     r.add("distinct", [](ListIn<int64_t> xs, ListOut<int64_t>& out) { … out.push(x); });
//     r.add("lookup", [](const Attributes& a) { return Index(a.strings("vocab")); },
//           [](const Index& index, Maybe<std::string_view> x) -> int64_t { … });
//   }
//
// The body computes one row; name and types give the signature, `divide(f64,f64)->f64?`. The driver owns nulls,
// lists that the operator is mapped over, constants, and the loop.
//
// Parameters   bool, int64_t, double, std::string_view; ListIn<T> (lists and vectors; nests), MapIn<K, V>; Any
//              (only its nullness, or as ListIn<Any> its size). Of any of these:
//              P            null spreads: the body never sees a null row (but see "total")
//              Maybe<P>     the body takes null itself
//              OneOrMany<T> a T or a list of T, seen as a ListIn<T>; Maybe<OneOrMany<T>> too
//              Variadic<P>  (last of the values) one or more
// Results      one of these types, or Maybe of one. A string_view, ListIn or MapIn result must lie in an argument or
//              the state: it is copied. Or a last parameter TextOut&, ListOut<T>&: the body returns void, or bool
//              (false: the row is null, what was written is forgotten).
// Vectors      A result that is declared as a vector<T, n> is a ListOut<T> too; the driver checks n.
// Total        A body with only bool, int64_t, double parameters and result (Maybe or not) runs over all rows, null
// ones
//              too, in a loop that the compiler vectorizes: it must not throw and not trap, whatever the values.
//              Every other body is called for valid rows only, and may throw EngineError.
// State        made once, when the program is loaded, from the node's attributes; views into it live as long.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/arena.h"
#include "engine/column.h"
#include "engine/error.h"
#include "engine/text_codes.h"
#include "engine/type.h"

namespace feat {

// A value or null.
template <class T>
struct Maybe {
  T value{};
  bool has = false;

  constexpr Maybe() = default;
  constexpr Maybe(T v) : value(v), has(true) {}  // NOLINT: `return x;` is meant to work
  constexpr explicit operator bool() const { return has; }
  constexpr const T& operator*() const { return value; }
  constexpr T value_or(T other) const { return has ? value : other; }
};

// A value of any type, of which a kernel reads nothing.
struct Any {};

// How row i of a column reads as a T.
template <class T>
struct Reader;

// A row of a list or vector.
template <class T>
class ListIn {
 public:
  struct Iterator {
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = T;
    const ListIn* list = nullptr;
    int64_t at = 0;
    T operator*() const { return (*list)[at]; }
    T operator[](std::ptrdiff_t n) const { return (*list)[at + n]; }
    Iterator& operator++() { return ++at, *this; }
    Iterator operator++(int) {
      Iterator old = *this;
      return ++at, old;
    }
    Iterator& operator--() { return --at, *this; }
    Iterator operator--(int) {
      Iterator old = *this;
      return --at, old;
    }
    Iterator& operator+=(std::ptrdiff_t n) { return at += n, *this; }
    Iterator& operator-=(std::ptrdiff_t n) { return at -= n, *this; }
    friend Iterator operator+(Iterator i, std::ptrdiff_t n) { return i += n; }
    friend Iterator operator+(std::ptrdiff_t n, Iterator i) { return i += n; }
    friend Iterator operator-(Iterator i, std::ptrdiff_t n) { return i -= n; }
    friend std::ptrdiff_t operator-(const Iterator& a, const Iterator& b) { return a.at - b.at; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at == b.at; }
    friend auto operator<=>(const Iterator& a, const Iterator& b) { return a.at <=> b.at; }
  };

  ListIn() = default;
  ListIn(const Reader<T>& items, int64_t start, int64_t size) : items_(items), start_(start), size_(size) {}

  int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T operator[](int64_t i) const { return items_(start_ + i); }
  // The elements `from` to `to` (not with it); 0 <= from <= to <= size().
  ListIn slice(int64_t from, int64_t to) const { return {items_, start_ + from, to - from}; }
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size_}; }
  const Reader<T>& items() const { return items_; }
  int64_t start() const { return start_; }

 private:
  Reader<T> items_{};
  int64_t start_ = 0;
  int64_t size_ = 0;
};

// A row of a map: entries in the order they were read. Keys may repeat only if the source repeats them.
template <class K, class V>
class MapIn {
 public:
  MapIn() = default;
  MapIn(const ListIn<K>& keys, const ListIn<V>& values) : keys_(keys), values_(values) {}
  int64_t size() const { return keys_.size(); }
  const ListIn<K>& keys() const { return keys_; }
  const ListIn<V>& values() const { return values_; }

 private:
  ListIn<K> keys_;
  ListIn<V> values_;
};

// An argument that is a T or a list of T, read as a list.
template <class T>
class OneOrMany : public ListIn<T> {
 public:
  OneOrMany() = default;
  OneOrMany(const ListIn<T>& list, bool many) : ListIn<T>(list), many_(many) {}
  bool is_list() const { return many_; }

 private:
  bool many_ = false;
};

// Arguments as many as the program gives: `for (auto part : parts)`, `parts[k]`, `parts.size()`.
template <class P>
class Variadic;

// The string that a kernel writes, in pieces.
class TextOut {
 public:
  explicit TextOut(Arena& arena) : bytes_(arena) {}
  void append(std::string_view piece) { bytes_.append(piece.data(), static_cast<int64_t>(piece.size())); }
  void push_back(char c) { bytes_.push(c); }
  // Room for `count` more bytes, to be written by the caller.
  char* grow(int64_t count) { return bytes_.grow(count); }
  // What was written of this row so far.
  std::string_view written() const { return {bytes_.data() + start_, static_cast<size_t>(bytes_.size() - start_)}; }
  // Takes back the last bytes of this row, down to `size`.
  void truncate(int64_t size) { bytes_.truncate(start_ + size); }

 private:
  template <class>
  friend class Collector;
  Growing<char> bytes_;
  int64_t start_ = 0;
};

// Counts the runs of kernels on this thread. Within one, an argument's rows that lie at one place are one value, so a
// body may keep what it made of the last.
inline uint64_t& kernel_run() {
  thread_local uint64_t run = 0;
  return run;
}

template <class T>
class ListOut;  // void push(T), int64_t size(), T operator[] of scalars; see collector.h

// The constant parameters of an instruction. Errors: EngineError when one is absent or of another type.
class Attributes {
 public:
  struct Entry {
    std::string_view name;
    const Type* type;
    const Column* value;  // one row, in the held layout
  };
  struct ZoneTable {
    std::span<const int64_t> starts;   // microseconds since 1970 in UTC, ascending
    std::span<const int64_t> offsets;  // microseconds to add to UTC from that start on
  };

  Attributes(std::span<const Entry> entries, const Type& result) : entries_(entries), result_(result) {}
  bool has(std::string_view name) const;
  bool is_null(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double number(std::string_view name) const;
  bool boolean(std::string_view name) const;
  std::string_view text(std::string_view name) const;
  std::span<const int64_t> integers(std::string_view name) const;
  std::span<const double> numbers(std::string_view name) const;
  std::vector<std::string_view> strings(std::string_view name) const;
  ZoneTable zone(std::string_view name) const;
  // What the instruction declares as its result (of the element when it is mapped).
  const Type& result() const { return result_; }

 private:
  const Entry& find(std::string_view name) const;
  const Entry& find(std::string_view name, const Shape& wanted) const;
  std::span<const Entry> entries_;
  const Type& result_;
};

// --- below: what the driver sees ---------------------------------------------------------------------------------

// One argument of a call: row i of the call is row `row(i)` of the column.
struct Argument {
  Argument() = default;
  Argument(const Column* from, const int32_t* rows_of = nullptr, int64_t step_of = 1)  // NOLINT: a column is one
      : column(from), rows(rows_of), step(step_of) {}

  const Column* column = nullptr;
  const int32_t* rows = nullptr;  // null: i * step
  int64_t step = 1;               // 0: the one row stands everywhere
  bool as_list = false;           // for OneOrMany: the argument is a list of it
  int64_t row(int64_t i) const { return rows ? rows[i] : i * step; }
  bool is_valid(int64_t i) const { return column->valid == nullptr || column->valid[row(i)] != 0; }
  bool is_same() const { return rows == nullptr && step == 0; }  // in all rows
  bool is_dense() const { return rows == nullptr && step == 1; }
};

struct Parameter {
  Shape shape;
  bool takes_null = false;
  bool or_list = false;  // OneOrMany: `shape` or a list of it
  bool dense = false;    // the driver hands it over with `is_dense()`
};

struct Call {
  std::span<const Argument> arguments;
  int64_t rows;
  const void* state;
  const Type& result;  // declared; of the element when the instruction is mapped
  Arena& arena;        // of the call; the result lies in it or in the arguments
  TextCodes& codes;    // of texts, made once for all instructions

  // A byte a row, 1 where no argument is null; null where none has a null row.
  uint8_t* validity() const;
};

// A kernel as the registry holds it.
struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  bool variadic = false;  // the last parameter, one or more times
  Shape result;
  bool gives_null = false;
  std::function<std::shared_ptr<const void>(const Attributes&)> prepare;  // or empty
  std::function<Column(const Call&)> run;

  const Parameter& parameter(size_t index) const { return parameters[std::min(index, parameters.size() - 1)]; }
  // Whether it gives `result` from these; `bound` comes out as what `any` stands for in it.
  bool admits(std::span<const Shape> arguments, const Shape& result_wanted, Shape& bound) const;
  std::string signature() const;
};

// Instructions that one kernel does together: each reads nothing but the one before it, and nothing else reads that.
struct Chain {
  struct Link {
    std::string signature;
    int mapped = 0;  // lists deep
    const Kernel* kernel = nullptr;
  };
  using States = std::vector<std::shared_ptr<const void>>;

  std::vector<Link> links;
  Kernel kernel;  // takes what the first link takes; its state is the States of the links
};

// A list literal of float64 that some of its elements are found for: `otherwise` where nothing is. A map that is an
// input, one row for all, is given as it is stored.
struct FoundList {
  struct Part {
    const Kernel* kernel = nullptr;  // that finds it; null: it is the argument
    std::shared_ptr<const void> state;
    double otherwise = 0.0;
    int64_t place = 0;  // in the list
    size_t first_argument = 0, argument_count = 1;
  };
  // The kernels of the list, of `??`, and of what finds, by their signatures, and the one for all of it.
  struct Rule {
    std::string_view list, otherwise;
    std::vector<std::string_view> finders;
    std::function<Column(const Call&)> run;
  };
  struct Kernels {
    const Kernel* list = nullptr;
    const Kernel* otherwise = nullptr;
    std::vector<const Kernel*> finders;
    Kernel all;  // takes what the list takes; its state is a FoundList
  };

  std::vector<Part> parts;
  bool narrow = false;  // it is made of float32, as it is stored
};

class Registry {
 public:
  // A kernel from the body of one row; with state from `prepare(const Attributes&)`.
  template <class Body>
  void add(std::string_view name, Body body);
  template <class Prepare, class Body>
  void add(std::string_view name, Prepare prepare, Body body);
  // A kernel over whole columns, under `name(bool?,any?,any?)->any?`; `any` is one type throughout. It owns nulls for
  // `?` parameters; rows of the others that are null may hold anything, and come out null. `dense` asks for arguments
  // that are so.
  void add_column(std::string_view signature, std::function<Column(const Call&)> run, bool dense = false) {
    add_column_kernel(signature, {}, std::move(run), dense);
  }
  template <class Prepare>
  void add_column(std::string_view signature, Prepare prepare, std::function<Column(const Call&)> run,
                  bool dense = false);

  // A kernel for a chain of kernels, by their signatures, with `*` before one that is mapped over a list. No program
  // names it: `fuse` puts it in.
  void add_chain(std::initializer_list<std::string_view> links, std::function<Column(const Call&)> run);
  const std::vector<std::unique_ptr<Chain>>& chains() const { return chains_; }
  void set_found_list(FoundList::Rule rule) { found_list_rule_ = std::move(rule); }
  const FoundList::Kernels& found_list() const { return found_list_; }

  // Errors: EngineError that lists the kernels of that name.
  struct Match {
    const Kernel* kernel;
    Shape bound;  // what `any` stands for
  };
  Match find(std::string_view name, std::span<const Shape> arguments, const Shape& result) const;
  std::vector<std::string> signatures() const;
  // All kernels of the engine, registered on first use.
  static const Registry& all();

 private:
  using PrepareState = std::function<std::shared_ptr<const void>(const Attributes&)>;
  void add_column_kernel(std::string_view signature, PrepareState prepare, std::function<Column(const Call&)> run,
                         bool dense);
  void insert(std::unique_ptr<Kernel> kernel);
  void link_chains();
  void link_found_list();
  const Kernel* kernel_of(std::string_view signature) const;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::vector<std::unique_ptr<Chain>> chains_;
  FoundList::Rule found_list_rule_;
  FoundList::Kernels found_list_;
  std::unordered_map<std::string, std::vector<const Kernel*>> by_name_;
};

}  // namespace feat

#include "engine/collector.h"       // IWYU pragma: export
#include "engine/kernel_adapter.h"  // IWYU pragma: export
