// Reading rows of a column as C++ values, and collecting values into a column: by type, at compile time.
#pragma once

#include "engine/kernel.h"

namespace feat {

// --- reading -----------------------------------------------------------------------------------------------------

template <>
struct Reader<bool> {
  const uint8_t* data = nullptr;
  Reader() = default;
  explicit Reader(const Column& column) : data(column.as<uint8_t>()) {}
  bool operator()(int64_t i) const { return data[i] != 0; }
};

template <>
struct Reader<int64_t> {
  const int64_t* data = nullptr;
  Reader() = default;
  explicit Reader(const Column& column) : data(column.as<int64_t>()) {}
  int64_t operator()(int64_t i) const { return data[i]; }
};

template <>
struct Reader<double> {
  const double* data = nullptr;
  Reader() = default;
  explicit Reader(const Column& column) : data(column.as<double>()) {}
  double operator()(int64_t i) const { return data[i]; }
};

template <>
struct Reader<std::string_view> {
  const int32_t* offsets = nullptr;
  const char* bytes = nullptr;
  Reader() = default;
  explicit Reader(const Column& column) : offsets(column.offsets), bytes(column.bytes()) {}
  std::string_view operator()(int64_t i) const {
    return {bytes + offsets[i], static_cast<size_t>(offsets[i + 1] - offsets[i])};
  }
};

template <>
struct Reader<Any> {
  Reader() = default;
  explicit Reader(const Column&) {}
  Any operator()(int64_t) const { return {}; }
};

// The extent of each row of a list, vector or map.
struct Extents {
  const int32_t* offsets = nullptr;
  int64_t width = 0;
  Extents() = default;
  explicit Extents(const Column& column) : offsets(column.offsets), width(column.width) {}
  int64_t start(int64_t i) const { return offsets ? offsets[i] : i * width; }
  int64_t size(int64_t i) const { return offsets ? offsets[i + 1] - offsets[i] : width; }
};

template <class T>
struct Reader<ListIn<T>> {
  Extents extents;
  Reader<T> items;
  Reader() = default;
  explicit Reader(const Column& column) : extents(column), items(column.child[0]) {}
  ListIn<T> operator()(int64_t i) const { return {items, extents.start(i), extents.size(i)}; }
};

template <class K, class V>
struct Reader<MapIn<K, V>> {
  Extents extents;
  Reader<K> keys;
  Reader<V> values;
  Reader() = default;
  explicit Reader(const Column& column) : extents(column), keys(column.child[0]), values(column.child[1]) {}
  MapIn<K, V> operator()(int64_t i) const {
    const int64_t start = extents.start(i), size = extents.size(i);
    return {{keys, start, size}, {values, start, size}};
  }
};

// --- shapes ------------------------------------------------------------------------------------------------------

template <class T>
struct ShapeOf {
  static_assert(!std::is_same_v<T, T>,
                "a kernel's types are bool, int64_t, double, std::string_view, ListIn<T>, MapIn<K, V> or Any");
};
template <>
struct ShapeOf<bool> {
  static Shape get() { return {Shape::Bool, {}}; }
};
template <>
struct ShapeOf<int64_t> {
  static Shape get() { return {Shape::I64, {}}; }
};
template <>
struct ShapeOf<double> {
  static Shape get() { return {Shape::F64, {}}; }
};
template <>
struct ShapeOf<std::string_view> {
  static Shape get() { return {Shape::Str, {}}; }
};
template <>
struct ShapeOf<Any> {
  static Shape get() { return {Shape::Any, {}}; }
};
template <class T>
struct ShapeOf<ListIn<T>> {
  static Shape get() { return {Shape::List, {ShapeOf<T>::get()}}; }
};
template <class K, class V>
struct ShapeOf<MapIn<K, V>> {
  static Shape get() { return {Shape::Map, {ShapeOf<K>::get(), ShapeOf<V>::get()}}; }
};

// --- collecting --------------------------------------------------------------------------------------------------

// Values appended one after the other become a column. `append_default` stands in a null row.
template <class T>
class Collector {
  static_assert(std::is_same_v<T, bool> || std::is_same_v<T, int64_t> || std::is_same_v<T, double>);
  using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

 public:
  explicit Collector(Arena& arena, int64_t expected = 0) : values_(arena, expected) {}
  void append(T value) { values_.push(static_cast<Stored>(value)); }
  void append_default() { values_.push(Stored{}); }
  void append_items(const ListIn<T>& list) { values_.append(list.items().data + list.start(), list.size()); }
  int64_t size() const { return values_.size(); }
  T operator[](int64_t i) const { return static_cast<T>(values_[i]); }
  void truncate(int64_t size) { values_.truncate(size); }
  Stored* data() { return values_.data(); }
  Column finish() {
    Column column;
    column.layout = std::is_same_v<T, bool> ? Layout::Bool : std::is_same_v<T, int64_t> ? Layout::I64 : Layout::F64;
    column.length = values_.size();
    column.data = values_.size() ? values_.data() : values_.grow(1);
    return column;
  }

 private:
  Growing<Stored> values_;
};

template <>
class Collector<std::string_view> {
 public:
  explicit Collector(Arena& arena, int64_t expected = 0) : offsets_(arena, expected + 1), text_(arena) {
    offsets_.push(0);
  }
  void append(std::string_view value) {
    text_.append(value);
    end_row();
  }
  void append_default() { end_row(); }
  void append_items(const ListIn<std::string_view>& list) {
    for (std::string_view item : list) append(item);
  }
  TextOut& open() { return text_; }
  void end_row() {
    offsets_.push(checked_offset(text_.bytes_.size()));
    text_.start_ = text_.bytes_.size();
  }
  void undo_row() { text_.bytes_.truncate(text_.start_); }
  int64_t size() const { return offsets_.size() - 1; }
  std::string_view operator[](int64_t i) const {
    return {text_.bytes_.data() + offsets_[i], static_cast<size_t>(offsets_[i + 1] - offsets_[i])};
  }
  void truncate(int64_t size) {
    if (size >= this->size()) return;
    offsets_.truncate(size + 1);
    text_.bytes_.truncate(offsets_[size]);
    text_.start_ = text_.bytes_.size();
  }
  Column finish() {
    Column column;
    column.layout = Layout::Str;
    column.length = size();
    column.offsets = offsets_.data();
    column.data = text_.bytes_.size() ? text_.bytes_.data() : text_.bytes_.grow(1);
    return column;
  }

 private:
  Growing<int32_t> offsets_;
  TextOut text_;
};

// The list that a kernel writes: `push` an element. Elements of a ListOut<ListIn<T>> are copied lists.
template <class T>
class ListOut {
 public:
  explicit ListOut(Arena& arena) : items_(arena) {}
  void push(T value) { items_.append(value); }
  // All elements of a list at once.
  void push_all(const ListIn<T>& list) { items_.append_items(list); }
  int64_t size() const { return items_.size() - start_; }
  // What was pushed in this row, for scalars and strings (a string_view holds until the next push).
  T operator[](int64_t i) const { return items_[start_ + i]; }
  // Takes back the last elements of this row, down to `size`.
  void truncate(int64_t size) { items_.truncate(start_ + size); }

 private:
  template <class>
  friend class Collector;
  Collector<T> items_;
  int64_t start_ = 0;
};

template <class T>
class Collector<ListIn<T>> {
 public:
  explicit Collector(Arena& arena, int64_t expected = 0) : arena_(&arena), offsets_(arena, expected + 1), list_(arena) {
    offsets_.push(0);
  }
  void append(const ListIn<T>& value) {
    list_.push_all(value);
    end_row();
  }
  void append_default() { end_row(); }
  void append_items(const ListIn<ListIn<T>>& list) {
    for (const ListIn<T>& item : list) append(item);
  }
  ListOut<T>& open() { return list_; }
  void end_row() {
    offsets_.push(checked_offset(list_.items_.size()));
    list_.start_ = list_.items_.size();
  }
  void undo_row() { list_.items_.truncate(list_.start_); }
  int64_t size() const { return offsets_.size() - 1; }
  void truncate(int64_t size) {
    if (size >= this->size()) return;
    offsets_.truncate(size + 1);
    list_.items_.truncate(offsets_[size]);
    list_.start_ = list_.items_.size();
  }
  Column finish() {
    Column column;
    column.layout = Layout::List;
    column.length = size();
    column.offsets = offsets_.data();
    Column* child = arena_->take<Column>(1);
    *child = list_.items_.finish();
    column.child = child;
    return column;
  }

 private:
  Arena* arena_;
  Growing<int32_t> offsets_;
  ListOut<T> list_;
};

template <class K, class V>
class Collector<MapIn<K, V>> {
 public:
  explicit Collector(Arena& arena, int64_t expected = 0)
      : arena_(&arena), offsets_(arena, expected + 1), keys_(arena), values_(arena) {
    offsets_.push(0);
  }
  void append(const MapIn<K, V>& value) {
    keys_.append_items(value.keys());
    values_.append_items(value.values());
    append_default();
  }
  void append_default() { offsets_.push(checked_offset(keys_.size())); }
  void append_items(const ListIn<MapIn<K, V>>& list) {
    for (const MapIn<K, V>& item : list) append(item);
  }
  int64_t size() const { return offsets_.size() - 1; }
  void truncate(int64_t size) {
    if (size >= this->size()) return;
    offsets_.truncate(size + 1);
    keys_.truncate(offsets_[size]);
    values_.truncate(offsets_[size]);
  }
  Column finish() {
    Column column;
    column.layout = Layout::Map;
    column.length = size();
    column.offsets = offsets_.data();
    Column* children = arena_->take<Column>(2);
    children[0] = keys_.finish();
    children[1] = values_.finish();
    column.child = children;
    return column;
  }

 private:
  Arena* arena_;
  Growing<int32_t> offsets_;
  Collector<K> keys_;
  Collector<V> values_;
};

}  // namespace feat
