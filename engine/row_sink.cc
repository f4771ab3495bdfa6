#include "engine/row_sink.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "engine/distinct_texts.h"

namespace feat {

namespace {

class ScalarSink : public ColumnSink {
 public:
  ScalarSink(const FieldSpec& spec, const Type& type, bool element, Intake& intake)
      : ColumnSink(spec.name),
        type_(type),
        fallback_(element ? kNoDefault : spec.fallback),
        intake_(intake),
        column_(type, intake.arena, intake.expected_rows) {}

  void null() override { append(fallback_); }
  void append(const Default& value) {
    last_is_null_ = value.index() == 0;
    switch (value.index()) {
      case 1:
        boolean(std::get<1>(value));
        break;
      case 2:
        integer(std::get<2>(value));
        break;
      case 3:
        number(std::get<3>(value));
        break;
      case 4:
        text(std::get<4>(value));
        break;
      default:
        column_.push_null();
    }
  }
  // The type's zero; holds the place of an element of a null vector.
  void zero() {
    switch (type_.kind) {
      case Kind::Bool:
        return boolean(false);
      case Kind::String:
        return text("");
      default:
        return integer(0);
    }
  }

  void boolean(bool value) override {
    if (type_.kind != Kind::Bool) refuse("is declared " + declared() + ", not bool");
    last_is_null_ = false;
    column_.push_bool(value);
  }
  void integer(int64_t value) override {
    switch (type_.kind) {
      case Kind::Int32:
        if (value != static_cast<int32_t>(value)) refuse("does not fit int32: " + std::to_string(value));
        break;
      case Kind::Int64:
      case Kind::Timestamp:
      case Kind::Id:
        break;
      case Kind::Float32:
      case Kind::Float64:
        return number(static_cast<double>(value));
      default:
        refuse("is declared " + declared() + ", not an integer: " + std::to_string(value));
    }
    last_is_null_ = false;
    column_.push_integer(value);
  }
  void number(double value) override {
    if (!type_.is_float()) refuse("is declared " + declared() + ", not a float: " + std::to_string(value));
    const double stored = type_.kind == Kind::Float32 ? static_cast<double>(to_float(value)) : value;
    if (!std::isfinite(stored)) return null();
    last_is_null_ = false;
    column_.push_float(stored);
  }
  void text(std::string_view value) override {
    if (type_.kind != Kind::String) refuse("is declared " + declared() + ", not a string");
    if (!valid_utf8(value)) {
      ++intake_.invalid_texts;
      return null();
    }
    last_is_null_ = false;
    column_.push_text(value);
  }

  bool takes(Given given) const override {
    switch (type_.kind) {
      case Kind::Bool:
        return given == Given::Boolean;
      case Kind::String:
        return given == Given::Text;
      case Kind::Timestamp:
        return given == Given::Integer || given == Given::Time;
      case Kind::Float32:
      case Kind::Float64:
        return given == Given::Integer || given == Given::Number;
      default:
        return given == Given::Integer;
    }
  }
  std::string declared() const override { return type_.text(); }
  int64_t rows() const override { return column_.length(); }
  void truncate(int64_t rows) override { column_.truncate(rows); }
  Column finish() override { return column_.finish(); }
  RowColumn* scalars() override { return &column_; }
  bool keeps_nulls() const override { return fallback_.index() == 0; }

 private:
  static const Default kNoDefault;
  // A float64 beyond float32 becomes infinity; the cast alone would be undefined.
  static float to_float(double value) {
    constexpr double kRoundsToInfinity = 0x1.ffffffp127;
    if (std::fabs(value) >= kRoundsToInfinity) return std::numeric_limits<float>::infinity();
    return static_cast<float>(value);
  }

  const Type& type_;
  const Default& fallback_;
  Intake& intake_;
  RowColumn column_;
};

const Default ScalarSink::kNoDefault;

class ListSink final : public ColumnSink {
 public:
  ListSink(const FieldSpec& spec, const Type& type, bool element, Intake& intake)
      : ColumnSink(spec.name),
        type_(type),
        cap_(element ? -1 : spec.cap),
        element_(element),
        arena_(intake.arena),
        items_(make_sink(spec, type.element(), true, intake)),
        offsets_(intake.arena) {
    offsets_.push(0);
  }

  void null() override {
    last_is_null_ = element_;
    offsets_.push(offsets_[rows()]);
  }
  void begin_list() override {}
  Sink& item() override { return *items_; }
  void end_item() override {
    const int64_t held = items_->rows();
    const bool over = cap_ >= 0 && held - offsets_[rows()] > cap_;
    if (items_->last_is_null() || over) items_->truncate(held - 1);
  }
  void end_list() override {
    last_is_null_ = false;
    offsets_.push(checked_count(items_->rows(), name()));
  }

  bool takes(Given given) const override { return given == Given::List; }
  std::string declared() const override { return type_.text(); }
  int64_t rows() const override { return offsets_.size() - 1; }
  void truncate(int64_t rows) override {
    offsets_.truncate(rows + 1);
    items_->truncate(offsets_[rows]);
  }
  Column finish() override {
    Column column;
    column.layout = Layout::List;
    column.length = rows();
    column.offsets = offsets_.data();
    column.child = place(items_->finish(), arena_);
    return column;
  }
  RowLists lists() override { return {items_->scalars(), &offsets_, cap_}; }

 private:
  const Type& type_;
  const int64_t cap_;
  const bool element_;
  Arena& arena_;
  SinkPtr items_;
  Growing<int32_t> offsets_;
};

class VectorSink final : public ColumnSink {
 public:
  VectorSink(const FieldSpec& spec, const Type& type, bool element, Intake& intake)
      : ColumnSink(spec.name),
        type_(type),
        fallback_(element ? kNoDefault : spec.fallback),
        arena_(intake.arena),
        items_(spec, type.element(), true, intake),
        valid_(intake.arena) {}

  void null() override {
    const bool missing = fallback_.index() == 0;
    for (int32_t i = 0; i < type_.size; ++i) missing ? items_.zero() : items_.append(fallback_);
    close(!missing);
  }
  void begin_list() override { has_null_ = false; }
  Sink& item() override { return items_; }
  void end_item() override { has_null_ |= items_.last_is_null(); }
  void end_list() override {
    const int64_t start = rows() * type_.size;
    const int64_t given = items_.rows() - start;
    if (given != type_.size) {
      refuse("has " + std::to_string(given) + " elements instead of " + std::to_string(type_.size));
    }
    if (!has_null_) return close(true);
    items_.truncate(start);
    null();
  }

  bool takes(Given given) const override { return given == Given::List; }
  std::string declared() const override { return type_.text(); }
  int64_t rows() const override { return valid_.size(); }
  void truncate(int64_t rows) override {
    valid_.truncate(rows);
    items_.truncate(rows * type_.size);
  }
  Column finish() override {
    Column column;
    column.layout = Layout::Vector;
    column.width = type_.size;
    column.length = rows();
    column.valid = any_null_ ? valid_.data() : nullptr;
    column.child = place(items_.finish(), arena_);
    return column;
  }

 private:
  static const Default kNoDefault;
  void close(bool valid) {
    last_is_null_ = !valid;
    any_null_ |= !valid;
    valid_.push(valid ? 1 : 0);
  }

  const Type& type_;
  const Default& fallback_;
  Arena& arena_;
  ScalarSink items_;
  Growing<uint8_t> valid_;
  bool has_null_ = false;
  bool any_null_ = false;
};

const Default VectorSink::kNoDefault;

// The keys of a map; remembers the last one. A text points into the row.
class KeySink final : public ScalarSink {
 public:
  using Key = std::variant<int64_t, std::string_view>;
  using ScalarSink::ScalarSink;
  void integer(int64_t value) override {
    ScalarSink::integer(value);
    last_ = value;
  }
  void text(std::string_view value) override {
    ScalarSink::text(value);
    last_ = value;
  }
  const Key& last() const { return last_; }

 private:
  Key last_;
};

class MapSink final : public ColumnSink, private RowMaps {
 public:
  MapSink(const FieldSpec& spec, const Type& type, bool element, Intake& intake)
      : ColumnSink(spec.name),
        type_(type),
        cap_(element ? -1 : spec.cap),
        element_(element),
        arena_(intake.arena),
        keys_(spec, type.children[0], true, intake),
        values_(make_sink(spec, type.children[1], true, intake)),
        entry_(*this),
        key_of_(intake.arena),
        value_of_(intake.arena),
        offsets_(intake.arena),
        row_ends_(intake.arena) {
    offsets_.push(0);
    row_ends_.push(0);
    if (type.children[0].kind == Kind::String) RowMaps::keys = keys_.scalars();
    RowMaps::values = values_->scalars();
    RowMaps::inner = values_->maps();
  }

  void null() override { close(element_); }
  void begin_list() override { row_keys_.clear(); }
  Sink& item() override { return entry_; }
  void end_list() override {
    unite_equal_keys();
    close(false);
  }
  int member_index(std::string_view name) const override { return name == "key" ? 0 : name == "value" ? 1 : -1; }

  bool takes(Given given) const override { return given == Given::List || given == Given::Map; }
  std::string declared() const override { return type_.text(); }
  int64_t rows() const override { return offsets_.size() - 1; }
  void truncate(int64_t rows) override {
    offsets_.truncate(rows + 1);
    row_ends_.truncate(rows + 1);
    key_of_.truncate(offsets_[rows]);
    value_of_.truncate(offsets_[rows]);
    truncate_entries(row_ends_[rows]);
  }
  Column finish() override {
    Column keys = keys_.finish();
    Column values = values_->finish();
    if (picked_) {
      keys = gather(keys, key_of_.data(), key_of_.size(), arena_);
      values = gather(values, value_of_.data(), value_of_.size(), arena_);
    }
    Column* children = arena_.take<Column>(2);
    children[0] = keys;
    children[1] = values;
    Column column;
    column.layout = Layout::Map;
    column.length = rows();
    column.offsets = offsets_.data();
    column.child = children;
    return column;
  }
  RowMaps* maps() override {
    const bool read_by_steps = RowMaps::keys != nullptr && (RowMaps::values != nullptr || RowMaps::inner != nullptr);
    return read_by_steps ? this : nullptr;
  }

 private:
  class Entry final : public Sink {
   public:
    explicit Entry(MapSink& map) : Sink(map.name()), map_(map) {}
    void null() override {}
    void begin_struct() override {}
    Sink& member(int index) override {
      if (index == 0) return map_.keys_;
      return *map_.values_;
    }
    void end_struct() override { map_.end_entry(); }
    int member_index(std::string_view name) const override { return map_.member_index(name); }
    bool takes(Given given) const override { return given == Given::Struct; }
    std::string declared() const override { return map_.declared(); }

   private:
    MapSink& map_;
  };

  void end_entry() {
    const int64_t keys = keys_.rows() - entries_, values = values_->rows() - entries_;
    if (keys > 1 || values > 1) refuse("has an entry with two keys or values");
    if (keys < 1 || values < 1 || keys_.last_is_null() || values_->last_is_null()) return truncate_entries(entries_);
    row_keys_.push_back(keys_.last());
    ++entries_;
  }
  bool end_entries() override {
    const auto key = [&](int64_t i) { return RowMaps::keys->text(entries_ + i); };
    if (!all_differ(keys_.rows() - entries_, key)) return false;
    if (cap_ >= 0 && keys_.rows() - entries_ > cap_) {
      keys_.truncate(entries_ + cap_);
      values_->truncate(entries_ + cap_);
    }
    for (; entries_ < keys_.rows(); ++entries_) {
      key_of_.push(static_cast<int32_t>(entries_));
      value_of_.push(static_cast<int32_t>(entries_));
    }
    close(false);
    return true;
  }
  void truncate_entries(int64_t entries) {
    keys_.truncate(entries);
    values_->truncate(entries);
    entries_ = entries;
  }
  // Of equal keys the last value stands, at the place of the first.
  void unite_equal_keys() {
    const auto count = checked_count(static_cast<int64_t>(row_keys_.size()), name());
    const int32_t start = checked_count(entries_, name()) - count;
    last_value_.resize(row_keys_.size());
    std::iota(last_value_.begin(), last_value_.end(), 0);
    by_key_ = last_value_;
    std::stable_sort(by_key_.begin(), by_key_.end(), [&](int32_t a, int32_t b) {
      return row_keys_[static_cast<size_t>(a)] < row_keys_[static_cast<size_t>(b)];
    });
    for (size_t i = by_key_.size(); i-- > 1;) {
      const auto at = static_cast<size_t>(by_key_[i]), before = static_cast<size_t>(by_key_[i - 1]);
      if (row_keys_[at] != row_keys_[before]) continue;
      last_value_[before] = last_value_[at];
      last_value_[at] = -1;
    }
    int64_t kept = 0;
    for (int32_t i = 0; i < count; ++i) {
      const int32_t value = last_value_[static_cast<size_t>(i)];
      if (value < 0 || (cap_ >= 0 && kept == cap_)) {
        picked_ = true;
        continue;
      }
      picked_ |= value != i;
      key_of_.push(start + i);
      value_of_.push(start + value);
      ++kept;
    }
  }
  void close(bool null) {
    last_is_null_ = null;
    offsets_.push(checked_count(key_of_.size(), name()));
    row_ends_.push(entries_);
  }

  const Type& type_;
  const int64_t cap_;
  const bool element_;
  Arena& arena_;
  KeySink keys_;
  SinkPtr values_;
  Entry entry_;
  int64_t entries_ = 0;      // held by the sinks of keys and values
  Growing<int32_t> key_of_;  // the entries that stay: where their key is, and their value
  Growing<int32_t> value_of_;
  Growing<int32_t> offsets_;   // into these, one a row and one more
  Growing<int64_t> row_ends_;  // `entries_` after each row, and 0 before
  bool picked_ = false;        // not every entry stays as it is
  std::vector<KeySink::Key> row_keys_;
  std::vector<int32_t> last_value_, by_key_;
};

}  // namespace

const Column* place(const Column& column, Arena& arena) {
  Column* placed = arena.take<Column>(1);
  *placed = column;
  return placed;
}

int32_t checked_count(int64_t count, const std::string& name) {
  if (count > std::numeric_limits<int32_t>::max()) {
    throw EngineError("`" + name + "` has more than 2^31 - 1 elements in one batch; read fewer rows at once");
  }
  return static_cast<int32_t>(count);
}

bool FieldSpec::required() const {
  return type.kind != Kind::List && type.kind != Kind::Map && !type.nullable && fallback.index() == 0;
}

void Sink::boolean(bool) { refuse("is declared " + declared() + ", not bool"); }
void Sink::integer(int64_t) { refuse("is declared " + declared() + ", not an integer"); }
void Sink::number(double) { refuse("is declared " + declared() + ", not a float"); }
void Sink::text(std::string_view) { refuse("is declared " + declared() + ", not a string"); }
void Sink::begin_list() { refuse("is declared " + declared() + ", not a list"); }
void Sink::begin_struct() { refuse("is declared " + declared() + ", not a struct"); }
Sink& Sink::item() { refuse("is declared " + declared() + ", not a list"); }
Sink& Sink::member(int) { refuse("is declared " + declared() + ", not a struct"); }
int Sink::member_index(std::string_view) const { return -1; }
void Sink::refuse(const std::string& what) const { throw BadValue("`" + name_ + "` " + what); }

SinkPtr make_sink(const FieldSpec& spec, const Type& type, bool element, Intake& intake) {
  const auto make = [&]<class Made>() {
    static_assert(alignof(Made) <= alignof(std::max_align_t));
    void* room = intake.arena.take<std::byte>(sizeof(Made));
    return SinkPtr(new (room) Made(spec, type, element, intake));
  };
  switch (type.kind) {
    case Kind::List:
      return make.operator()<ListSink>();
    case Kind::Vector:
      return make.operator()<VectorSink>();
    case Kind::Map:
      return make.operator()<MapSink>();
    default:
      return make.operator()<ScalarSink>();
  }
}

}  // namespace feat
