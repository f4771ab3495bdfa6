// From the body of one row to a kernel over columns: the signature and the loop, both made at compile time.
#pragma once

#include <tuple>
#include <type_traits>

#include "engine/collector.h"
#include "engine/kernel.h"

namespace feat {

template <class P>
class Variadic {
 public:
  using Read = P (*)(const void* source, int64_t i);
  Variadic(const void* sources, size_t stride, size_t count, int64_t row, Read read)
      : sources_(static_cast<const std::byte*>(sources)), stride_(stride), count_(count), row_(row), read_(read) {}
  size_t size() const { return count_; }
  P operator[](size_t k) const { return read_(sources_ + k * stride_, row_); }

  struct Iterator {
    const Variadic* parts;
    size_t at;
    P operator*() const { return (*parts)[at]; }
    Iterator& operator++() { return ++at, *this; }
    bool operator==(const Iterator& other) const { return at == other.at; }
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, count_}; }

 private:
  const std::byte* sources_;
  size_t stride_, count_;
  int64_t row_;
  Read read_;
};

namespace adapter {

template <class T>
inline constexpr bool is_fixed = std::is_same_v<T, bool> || std::is_same_v<T, int64_t> || std::is_same_v<T, double>;

// --- what a parameter is -----------------------------------------------------------------------------------------

// Source<P>: reads argument rows as P. `dense` ones are read without the row indirection.
template <class P>
struct Source {
  static constexpr bool fixed = is_fixed<P>, variadic = false;
  static Parameter parameter() { return {ShapeOf<P>::get(), false, false, fixed}; }
  explicit Source(const Argument& argument) : argument_(argument), read_(*argument.column) {}
  P operator()(int64_t i) const {
    if constexpr (fixed) {
      return read_(i);
    } else {
      return read_(argument_.row(i));
    }
  }

 private:
  Argument argument_;
  Reader<P> read_;
};

template <class T>
struct Source<Maybe<T>> {
  static constexpr bool fixed = is_fixed<T>, variadic = false;
  static Parameter parameter() {
    Parameter inner = Source<T>::parameter();
    inner.takes_null = true;
    return inner;
  }
  explicit Source(const Argument& argument) : argument_(argument), valid_(argument.column->valid), read_(argument) {}
  Maybe<T> operator()(int64_t i) const {
    if constexpr (fixed) {
      Maybe<T> value;
      value.value = read_(i);
      value.has = valid_ == nullptr || valid_[i] != 0;
      return value;
    } else {
      return argument_.is_valid(i) ? Maybe<T>(read_(i)) : Maybe<T>();
    }
  }

 private:
  Argument argument_;
  const uint8_t* valid_;
  Source<T> read_;
};

template <class T>
struct Source<OneOrMany<T>> {
  static_assert(is_fixed<T> || std::is_same_v<T, std::string_view>, "OneOrMany is of scalars");
  static constexpr bool fixed = false, variadic = false;
  static Parameter parameter() { return {ShapeOf<T>::get(), false, true, false}; }
  explicit Source(const Argument& argument) : argument_(argument) {
    const Column& column = *argument.column;
    many_ = argument.as_list;
    if (many_) extents_ = Extents(column);
    items_ = Reader<T>(many_ ? column.child[0] : column);
  }
  OneOrMany<T> operator()(int64_t i) const {
    const int64_t row = argument_.row(i);
    if (many_) return {{items_, extents_.start(row), extents_.size(row)}, true};
    return {{items_, row, 1}, false};
  }

 private:
  Argument argument_;
  bool many_;
  Extents extents_;
  Reader<T> items_;
};

template <class P>
struct Source<Variadic<P>> {
  static constexpr bool fixed = false, variadic = true;
  static Parameter parameter() {
    Parameter inner = Source<P>::parameter();
    inner.dense = false;
    return inner;
  }
  explicit Source(std::span<const Argument> arguments) {
    parts_.reserve(arguments.size());
    for (const Argument& argument : arguments) parts_.push_back({Row<P>(argument)});
  }
  Variadic<P> operator()(int64_t i) const {
    return {parts_.data(), sizeof(Row<P>), parts_.size(), i,
            [](const void* source, int64_t row) -> P { return (*static_cast<const Row<P>*>(source))(row); }};
  }

 private:
  // A part keeps its row indirection, fixed-width or not.
  template <class Q>
  struct Row {
    explicit Row(const Argument& argument) : argument_(argument), read_(*argument.column) {}
    Q operator()(int64_t i) const { return read_(argument_.row(i)); }
    Argument argument_;
    Reader<Q> read_;
  };
  template <class Q>
  struct Row<Maybe<Q>> {
    explicit Row(const Argument& argument) : inner_(argument) {}
    Maybe<Q> operator()(int64_t i) const { return inner_.argument_.is_valid(i) ? Maybe<Q>(inner_(i)) : Maybe<Q>(); }
    Row<Q> inner_;
  };
  template <class Q>
  struct Row<OneOrMany<Q>> {
    explicit Row(const Argument& argument) : argument_(argument), read_(argument) {}
    OneOrMany<Q> operator()(int64_t i) const { return read_(i); }
    Argument argument_;
    Source<OneOrMany<Q>> read_;
  };
  std::vector<Row<P>> parts_;
};

// --- what a body is ----------------------------------------------------------------------------------------------

template <class T>
struct OutOf {
  static constexpr bool is_out = false;
};
template <>
struct OutOf<TextOut&> {
  static constexpr bool is_out = true;
  using Value = std::string_view;
};
template <class T>
struct OutOf<ListOut<T>&> {
  static constexpr bool is_out = true;
  using Value = ListIn<T>;
};

template <class R>
struct Result {
  using Value = R;
  static constexpr bool maybe = false;
};
template <class T>
struct Result<Maybe<T>> {
  using Value = T;
  static constexpr bool maybe = true;
};

template <class F>
struct Signature : Signature<decltype(&F::operator())> {};
template <class C, class R, class... A>
struct Signature<R (C::*)(A...) const> {
  using Return = R;
  using Arguments = std::tuple<A...>;
};

template <class Tuple, size_t From, class Indices>
struct Slice;
template <class Tuple, size_t From, size_t... I>
struct Slice<Tuple, From, std::index_sequence<I...>> {
  using type = std::tuple<std::remove_cvref_t<std::tuple_element_t<From + I, Tuple>>...>;
};

// `State` is void for a body without.
template <class Body, class State>
struct Shape_ {
  using S = Signature<Body>;
  using Arguments = typename S::Arguments;
  static constexpr size_t skip = std::is_void_v<State> ? 0 : 1;
  static constexpr size_t total = std::tuple_size_v<Arguments>;
  static_assert(total > skip, "a kernel has at least one value parameter");
  using Last = OutOf<std::tuple_element_t<total - 1, Arguments>>;
  static constexpr bool writes = Last::is_out;
  static constexpr size_t count = total - skip - (writes ? 1 : 0);
  static_assert(count > 0, "a kernel has at least one value parameter");
  using Values = typename Slice<Arguments, skip, std::make_index_sequence<count>>::type;
};

uint8_t* combined_validity(const Call& call, const Kernel& kernel);

template <class Body, class State>
class Loop {
  using Form = Shape_<Body, State>;
  using Values = typename Form::Values;
  using Return = typename Form::S::Return;
  static constexpr size_t count = Form::count;
  template <size_t I>
  using SourceAt = Source<std::tuple_element_t<I, Values>>;

 public:
  static constexpr bool variadic = SourceAt<count - 1>::variadic;

  static void describe(Kernel& kernel) {
    describe_parameters(kernel, std::make_index_sequence<count>());
    kernel.variadic = variadic;
    if constexpr (Form::writes) {
      static_assert(std::is_void_v<Return> || std::is_same_v<Return, bool>);
      kernel.result = ShapeOf<typename Form::Last::Value>::get();
      kernel.gives_null = std::is_same_v<Return, bool>;
    } else {
      kernel.result = ShapeOf<typename Result<Return>::Value>::get();
      kernel.gives_null = Result<Return>::maybe;
    }
  }

  static Column run(const Body& body, const Kernel& kernel, const Call& call) {
    return run_with(body, kernel, call, std::make_index_sequence<count>());
  }

 private:
  template <size_t... I>
  static void describe_parameters(Kernel& kernel, std::index_sequence<I...>) {
    static_assert(((!SourceAt<I>::variadic || I + 1 == count) && ...), "Variadic comes last");
    (kernel.parameters.push_back(SourceAt<I>::parameter()), ...);
  }

  template <size_t I>
  static SourceAt<I> source(const Call& call) {
    if constexpr (SourceAt<I>::variadic) {
      return SourceAt<I>(call.arguments.subspan(I));
    } else {
      return SourceAt<I>(call.arguments[I]);
    }
  }

  template <size_t... I>
  static Column run_with(const Body& body, const Kernel& kernel, const Call& call, std::index_sequence<I...>) {
    std::tuple<SourceAt<I>...> sources{source<I>(call)...};
    uint8_t* valid = combined_validity(call, kernel);
    const auto at = [&](int64_t i, auto&... out) -> Return {
      if constexpr (std::is_void_v<State>) {
        return body(std::get<I>(sources)(i)..., out...);
      } else {
        return body(*static_cast<const State*>(call.state), std::get<I>(sources)(i)..., out...);
      }
    };
    if constexpr (Form::writes) {
      return written_rows(at, call, valid);
    } else if constexpr (is_fixed<typename Result<Return>::Value>) {
      return fixed_rows<(SourceAt<I>::fixed && ...)>(at, call, valid);
    } else {
      return collected_rows(at, call, valid);
    }
  }

  // A fixed-width result. `total`: all rows at once, else the valid ones.
  template <bool total, class At>
  static Column fixed_rows(const At& at, const Call& call, uint8_t* valid) {
    using Value = typename Result<Return>::Value;
    using Stored = std::conditional_t<std::is_same_v<Value, bool>, uint8_t, Value>;
    const int64_t rows = call.rows;
    Stored* __restrict__ out = call.arena.take<Stored>(rows);
    if constexpr (!Result<Return>::maybe) {
      if (total || valid == nullptr) {
        for (int64_t i = 0; i < rows; ++i) out[i] = static_cast<Stored>(at(i));
      } else {
        for (int64_t i = 0; i < rows; ++i) out[i] = valid[i] ? static_cast<Stored>(at(i)) : Stored{};
      }
    } else {
      uint8_t* __restrict__ has = call.arena.take<uint8_t>(rows);
      if (total || valid == nullptr) {
        for (int64_t i = 0; i < rows; ++i) {
          const Return value = at(i);
          out[i] = static_cast<Stored>(value.value);
          has[i] = static_cast<uint8_t>(value.has);
        }
        if (valid != nullptr) {
          for (int64_t i = 0; i < rows; ++i) has[i] &= valid[i];
        }
      } else {
        for (int64_t i = 0; i < rows; ++i) {
          const Return value = valid[i] ? at(i) : Return();
          out[i] = static_cast<Stored>(value.value);
          has[i] = static_cast<uint8_t>(value.has);
        }
      }
      valid = has;
    }
    Column column;
    column.layout = std::is_same_v<Value, bool>      ? Layout::Bool
                    : std::is_same_v<Value, int64_t> ? Layout::I64
                                                     : Layout::F64;
    column.length = rows;
    column.valid = valid;
    column.data = out;
    return column;
  }

  // A string, list or map that lies in an argument.
  template <class At>
  static Column collected_rows(const At& at, const Call& call, uint8_t* valid) {
    using Value = typename Result<Return>::Value;
    if (Result<Return>::maybe && valid == nullptr) {
      valid = call.arena.take<uint8_t>(call.rows);
      std::memset(valid, 1, static_cast<size_t>(call.rows));
    }
    Collector<Value> collector(call.arena, call.rows);
    for (int64_t i = 0; i < call.rows; ++i) {
      if (valid != nullptr && !valid[i]) {
        collector.append_default();
        continue;
      }
      if constexpr (Result<Return>::maybe) {
        const Return value = at(i);
        if (value.has) {
          collector.append(value.value);
        } else {
          collector.append_default();
          valid[i] = 0;
        }
      } else {
        collector.append(at(i));
      }
    }
    Column column = collector.finish();
    column.valid = valid;
    return column;
  }

  // A string or list that the body writes.
  template <class Write>
  static Column written_rows(const Write& write, const Call& call, uint8_t* valid) {
    constexpr bool maybe = std::is_same_v<Return, bool>;
    if (maybe && valid == nullptr) {
      valid = call.arena.take<uint8_t>(call.rows);
      std::memset(valid, 1, static_cast<size_t>(call.rows));
    }
    Collector<typename Form::Last::Value> collector(call.arena, call.rows);
    auto& out = collector.open();
    for (int64_t i = 0; i < call.rows; ++i) {
      if (valid == nullptr || valid[i]) {
        if constexpr (maybe) {
          if (!write(i, out)) {
            collector.undo_row();
            valid[i] = 0;
          }
        } else {
          write(i, out);
        }
      }
      collector.end_row();
    }
    Column column = collector.finish();
    column.valid = valid;
    return column;
  }
};

}  // namespace adapter

template <class Body>
void Registry::add(std::string_view name, Body body) {
  auto kernel = std::make_unique<Kernel>();
  kernel->name = name;
  adapter::Loop<Body, void>::describe(*kernel);
  const Kernel* self = kernel.get();
  kernel->run = [body, self](const Call& call) { return adapter::Loop<Body, void>::run(body, *self, call); };
  insert(std::move(kernel));
}

template <class Prepare, class Body>
void Registry::add(std::string_view name, Prepare prepare, Body body) {
  using State = std::invoke_result_t<Prepare, const Attributes&>;
  static_assert(!std::is_void_v<State> && !std::is_reference_v<State>);
  auto kernel = std::make_unique<Kernel>();
  kernel->name = name;
  adapter::Loop<Body, State>::describe(*kernel);
  kernel->prepare = [prepare](const Attributes& attributes) -> std::shared_ptr<const void> {
    return std::make_shared<const State>(prepare(attributes));
  };
  const Kernel* self = kernel.get();
  kernel->run = [body, self](const Call& call) { return adapter::Loop<Body, State>::run(body, *self, call); };
  insert(std::move(kernel));
}

template <class Prepare>
void Registry::add_column(std::string_view signature, Prepare prepare, std::function<Column(const Call&)> run,
                          bool dense) {
  using State = std::invoke_result_t<Prepare, const Attributes&>;
  add_column_kernel(
      signature,
      [prepare](const Attributes& attributes) -> std::shared_ptr<const void> {
        return std::make_shared<const State>(prepare(attributes));
      },
      std::move(run), dense);
}

}  // namespace feat
