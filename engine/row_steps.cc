#include "engine/row_steps.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/row_body.h"
#include "engine/row_cursor.h"
#include "engine/row_reader.h"

namespace feat {

using Node = DecodePlan::Node;

// --- a plan's steps ----------------------------------------------------------------------------------------------

RowSteps::RowSteps(const DecodePlan& plan, RowSink& row) : plan_(plan) {
  const Node& root = plan.nodes()[0];
  if (root.op != DecodePlan::Op::Record) return;
  Targets targets(row);
  std::vector<bool> given(static_cast<size_t>(row.member_count()));
  for (size_t i = 0; i < root.children.size(); ++i) {
    const int32_t member = root.members[i];
    if (member >= 0) {
      if (given[static_cast<size_t>(member)]) return;  // twice: no row is right
      given[static_cast<size_t>(member)] = true;
    }
    steps_.push_back(step_of(root.children[i], member, targets));
  }
  for (int32_t member = 0; member < row.member_count(); ++member) {
    if (!given[static_cast<size_t>(member)]) steps_.push_back({{Op::Absent}, {}, member, 0});
  }
  usable_ = true;
}

const Node& RowSteps::unwrapped(uint32_t index, Shape& shape) const {
  const Node& node = plan_.nodes()[index];
  if (node.op != DecodePlan::Op::Union || node.children.size() != 2) return node;
  const Node& first = plan_.nodes()[node.children[0]];
  const Node& second = plan_.nodes()[node.children[1]];
  const bool first_is_null = first.op == DecodePlan::Op::Null;
  if (first_is_null == (second.op == DecodePlan::Op::Null)) return node;
  shape.optional = true;
  shape.given = first_is_null ? 2 : 0;  // 1 and 0, as Avro writes them
  shape.null = first_is_null ? 0 : 2;
  return first_is_null ? second : first;
}

RowSteps::Step RowSteps::step_of(uint32_t index, int32_t member, Targets& targets) const {
  Step step;
  const Node& node = unwrapped(index, step.value);
  const bool array = node.op == DecodePlan::Op::Array;
  const Node& value = array ? unwrapped(node.children[0], step.item) : node;
  Shape& shape = array ? step.item : step.value;
  if (member >= 0 && make_map_step(node, targets.member(member).maps, step)) {
    step.member = member;
    step.cap = targets.row_.cap(member);
    return step;
  }
  if (member < 0) {
    shape.op = skip_of(value, shape);
  } else if (const auto& target = targets.member(member);
             target.column != nullptr && array == (target.lists.items != nullptr)) {
    shape.op = op_of(value, target.column->layout());
    // Only what goes straight to the column: it is not the column of a sink that could be asked.
    if (array && (shape.op == Op::FloatOfInteger || shape.op == Op::FloatOfFloat32 || shape.op == Op::FloatOfFloat64))
      shape.op = Op::Other;
  }
  if (shape.op == Op::Other) return {{}, {}, member, index};
  if (array) step.value.op = member < 0 ? Op::SkipList : Op::List;
  step.member = member;
  return step;
}

bool RowSteps::make_map_step(const Node& node, const RowMaps* maps, Step& step) const {
  const Node* value = &node;
  for (const RowMaps* at = maps; at != nullptr && value->op == DecodePlan::Op::Map; at = at->inner) {
    ++step.maps;
    value = &plan_.nodes()[value->children[0]];
    if (at->values == nullptr) continue;
    step.values = at->values->layout();
    step.item.op = op_of(*value, step.values);
    const Op op = step.item.op;
    if (op == Op::Other || op == Op::FloatOfInteger || op == Op::FloatOfFloat32 || op == Op::FloatOfFloat64) break;
    step.value.op = Op::Map;
    return true;
  }
  return false;
}

RowSteps::Op RowSteps::op_of(const Node& node, Layout target) {
  const bool is_float = target == Layout::F32 || target == Layout::F64;
  switch (node.op) {
    case DecodePlan::Op::Boolean:
      return target == Layout::Bool ? Op::Bool : Op::Other;
    case DecodePlan::Op::Integer:
      if (node.factor != 1 || node.divisor != 1) return Op::Other;
      if (is_float) return Op::FloatOfInteger;
      return target == Layout::I32 ? Op::Int32 : target == Layout::I64 ? Op::Int64 : Op::Other;
    case DecodePlan::Op::Float32:
      return target == Layout::F32 ? Op::Float32 : is_float ? Op::FloatOfFloat32 : Op::Other;
    case DecodePlan::Op::Float64:
      return target == Layout::F64 ? Op::Float64 : is_float ? Op::FloatOfFloat64 : Op::Other;
    case DecodePlan::Op::Bytes:
      return target == Layout::Str ? Op::Text : Op::Other;
    default:
      return Op::Other;
  }
}

RowSteps::Op RowSteps::skip_of(const Node& node, Shape& shape) {
  switch (node.op) {
    case DecodePlan::Op::Boolean:
      return Op::SkipBool;
    case DecodePlan::Op::Integer:
      return Op::SkipInteger;
    case DecodePlan::Op::Float32:
    case DecodePlan::Op::Float64:
    case DecodePlan::Op::Fixed:
      shape.bytes = node.op == DecodePlan::Op::Fixed ? node.size : node.op == DecodePlan::Op::Float32 ? 4 : 8;
      return Op::SkipFixed;
    case DecodePlan::Op::Bytes:
      return Op::SkipText;
    default:
      return Op::Other;
  }
}

RowSteps::Targets::Targets(RowSink& row) : row_(row), members_(static_cast<size_t>(row.member_count())) {
  for (int i = 0; i < row.member_count(); ++i) {
    if (!row.is_one() || !row.is_map(i)) members_[static_cast<size_t>(i)] = of_sink(i);
  }
}

RowSteps::Targets::Member RowSteps::Targets::of_sink(int32_t index) {
  Member member;
  member.sink = &row_.member(index);
  if (ColumnSink* sink = row_.column(index)) {
    member.lists = sink->lists();
    member.column = member.lists.items != nullptr ? member.lists.items : sink->scalars();
    member.keeps_nulls = member.column != nullptr && sink->keeps_nulls();
    member.maps = sink->maps();
  }
  return member;
}

MapsOfRow* RowSteps::Targets::maps_of_row(int64_t row_bytes) {
  if (maps_.has_value()) return &*maps_;
  if (!row_.is_one() || row_bytes > MapsOfRow::kMostBytes) return nullptr;
  return &maps_.emplace(row_bytes, std::ssize(members_), row_.arena());
}

bool RowSteps::Targets::new_texts_are_valid() {
  if (maps_.has_value() && !maps_->texts_are_valid()) return false;
  for (const Member& member : members_) {
    if (member.column != nullptr && !member.column->new_texts_are_valid()) return false;
    for (const RowMaps* maps = member.maps; maps != nullptr; maps = maps->inner) {
      if (!maps->keys->new_texts_are_valid()) return false;
      if (maps->values != nullptr && !maps->values->new_texts_are_valid()) return false;
    }
  }
  return true;
}

// --- bodies ------------------------------------------------------------------------------------------------------

namespace {

// Texts on their way to a column.
class Texts {
 public:
  explicit Texts(RowColumn& column) : column_(column) {}
  int64_t length() const { return column_.length() + static_cast<int64_t>(held_); }
  void push(const TextInRow& text) {
    if (held_ == texts_.size()) put();
    texts_[held_++] = text;
  }
  void put() {
    column_.push_texts({texts_.data(), held_});
    held_ = 0;
  }

 private:
  RowColumn& column_;
  std::array<TextInRow, 64> texts_;
  size_t held_ = 0;
};

}  // namespace

// Bodies that are read together, one step of all of them after the other: so what a step needs is at hand, and one body
// does not wait for another.
class RowSteps::Block {
 public:
  Block(const DecodePlan& plan, std::span<const std::string_view> bodies, Targets& targets)
      : plan_(plan), bodies_(bodies), targets_(targets) {
    rows_.reserve(bodies.size());
    for (const std::string_view body : bodies) rows_.emplace_back(body);
  }

  bool at_end() const { return std::ranges::all_of(rows_, &RowCursor::at_end); }

  bool read(const Step& step) {
    if (step.member < 0) return skip(step);
    if (step.value.op == Op::Map && MapsOfRow::takes(step.values, step.maps)) {
      if (MapsOfRow* maps = targets_.maps_of_row(std::ssize(bodies_[0]))) return map_of_row(step, *maps);
    }
    const Targets::Member& target = targets_.member(step.member);
    switch (step.value.op) {
      case Op::List:
        return step.item.op == Op::Text ? lists_of_texts(step, target) : lists(step, target);
      case Op::Map:
        return each(step.value, *target.sink,
                    [&](RowCursor& row) { return map(row, step.item, *target.maps, step.maps - 1); });
      case Op::FloatOfInteger:
      case Op::FloatOfFloat32:
      case Op::FloatOfFloat64:
        return each(step.value, *target.sink,
                    [&](RowCursor& row) { return converted(row, step.value.op, *target.sink); });
      case Op::Absent:
        for (size_t r = 0; r < rows_.size(); ++r) target.sink->null();
        return true;
      case Op::Other:
        return others(step);
      default:
        return target.keeps_nulls ? values(step.value, *target.column)
                                  : each(step.value, *target.sink, [&](RowCursor& row) {
                                      return value(row, step.value.op, *target.column, [&] { target.sink->null(); });
                                    });
    }
  }

 private:
  // What stands in each row: `take` takes it where it is given, else the sink a null.
  template <class Take>
  bool each(const Shape& shape, Sink& sink, Take take) {
    for (RowCursor& row : rows_) {
      bool given = true;
      if (shape.optional && !row.branch(shape.given, shape.null, given)) return false;
      if (!given) {
        sink.null();
      } else if (!take(row)) {
        return false;
      }
      if (row.passed_end()) return false;
    }
    return true;
  }

  // A value of each row, to its column, which keeps nulls.
  bool values(const Shape& shape, RowColumn& column) {
    switch (shape.op) {
      case Op::Bool:
        return numbers<uint8_t>(shape, column,
                                [](RowCursor& row, uint8_t& value, bool&) { return row.boolean(value); });
      case Op::Int32:
        return numbers<int32_t>(shape, column, [](RowCursor& row, int32_t& value, bool&) {
          int64_t number;
          if (!row.integer(number)) return false;
          value = static_cast<int32_t>(number);
          return value == number;
        });
      case Op::Int64:
        return numbers<int64_t>(shape, column,
                                [](RowCursor& row, int64_t& value, bool&) { return row.integer(value); });
      case Op::Float32:
        return numbers<float>(shape, column,
                              [](RowCursor& row, float& value, bool& given) { return finite(row, value, given); });
      case Op::Float64:
        return numbers<double>(shape, column,
                               [](RowCursor& row, double& value, bool& given) { return finite(row, value, given); });
      case Op::Text:
        return texts(shape, column);
      default:
        return false;
    }
  }

  template <class T, class Parse>
  bool numbers(const Shape& shape, RowColumn& column, Parse parse) {
    std::array<T, kAtOnce> values;
    std::array<uint8_t, kAtOnce> valid;
    for (size_t r = 0; r < rows_.size(); ++r) {
      bool given = true;
      values[r] = T{};
      if (shape.optional && !rows_[r].branch(shape.given, shape.null, given)) return false;
      if (given && !parse(rows_[r], values[r], given)) return false;
      if (rows_[r].passed_end()) return false;
      valid[r] = given ? 1 : 0;
    }
    column.push_all(std::span<const T>(values.data(), rows_.size()), {valid.data(), rows_.size()});
    return true;
  }
  // A float that is not finite is null.
  template <class T>
  static bool finite(RowCursor& row, T& value, bool& given) {
    const T number = row.fixed<T>();
    given = std::isfinite(number);
    value = given ? number : T{};
    return true;
  }

  bool texts(const Shape& shape, RowColumn& column) {
    std::array<TextInRow, kAtOnce> texts;
    std::array<uint8_t, kAtOnce> valid;
    for (size_t r = 0; r < rows_.size(); ++r) {
      bool given = true;
      if (shape.optional && !rows_[r].branch(shape.given, shape.null, given)) return false;
      texts[r] = {rows_[r].at(), 0};
      if (given && !rows_[r].text(texts[r])) return false;
      if (rows_[r].passed_end()) return false;
      valid[r] = given ? 1 : 0;
    }
    column.push_texts({texts.data(), rows_.size()}, {valid.data(), rows_.size()});
    return true;
  }

  // One value, to its column. `null`: what stands there for a float that is not finite.
  template <class Null>
  static bool value(RowCursor& row, Op op, RowColumn& column, Null null) {
    switch (op) {
      case Op::Bool: {
        uint8_t boolean;
        if (!row.boolean(boolean)) return false;
        column.push(boolean);
        return true;
      }
      case Op::Int32: {
        int64_t number;
        if (!row.integer(number) || number != static_cast<int32_t>(number)) return false;
        column.push(static_cast<int32_t>(number));
        return true;
      }
      case Op::Int64: {
        int64_t number;
        if (!row.integer(number)) return false;
        column.push(number);
        return true;
      }
      case Op::Float32:
        return finite_value<float>(row, column, null);
      case Op::Float64:
        return finite_value<double>(row, column, null);
      case Op::Text: {
        TextInRow text;
        if (!row.text(text)) return false;
        column.push_text(text);
        return true;
      }
      default:
        return false;
    }
  }
  template <class T, class Null>
  static bool finite_value(RowCursor& row, RowColumn& column, Null null) {
    const T number = row.fixed<T>();
    if (std::isfinite(number)) [[likely]] {
      column.push(number);
    } else {
      null();
    }
    return true;
  }

  // A value whose sink knows how to take it.
  static bool converted(RowCursor& row, Op op, Sink& sink) {
    int64_t number;
    switch (op) {
      case Op::FloatOfInteger:
        if (!row.integer(number)) return false;
        sink.integer(number);
        return true;
      case Op::FloatOfFloat32:
        sink.number(static_cast<double>(row.fixed<float>()));
        return true;
      case Op::FloatOfFloat64:
        sink.number(row.fixed<double>());
        return true;
      default:
        return false;
    }
  }

  // The items of a list, one block after the other. `item` takes one that is not null.
  template <class Item>
  static bool items(RowCursor& row, const Shape& shape, Item item) {
    for (;;) {
      int64_t count;
      if (!row.count(count)) return false;
      if (count == 0) return true;
      for (; count > 0; --count) {
        bool given = true;
        if (shape.optional && !row.branch(shape.given, shape.null, given)) return false;
        if (given && !item()) return false;
        if (row.passed_end()) return false;
      }
    }
  }

  bool lists(const Step& step, const Targets::Member& target) {
    RowColumn& column = *target.lists.items;
    return each(step.value, *target.sink, [&](RowCursor& row) {
      const int64_t start = column.length();
      const auto no_null = [] {};  // a null item goes
      if (!items(row, step.item, [&] { return value(row, step.item.op, column, no_null); })) return false;
      if (target.lists.cap >= 0) column.truncate(start + target.lists.cap);
      target.lists.offsets->push(checked_offset(column.length()));
      return true;
    });
  }
  bool lists_of_texts(const Step& step, const Targets::Member& target) {
    Texts texts(*target.lists.items);
    const int64_t cap = target.lists.cap >= 0 ? target.lists.cap : std::numeric_limits<int32_t>::max();
    const bool good = each(step.value, *target.sink, [&](RowCursor& row) {
      int64_t left = cap;
      const auto item = [&] {
        TextInRow text;
        if (!row.text(text)) return false;
        if (left-- > 0) texts.push(text);
        return true;
      };
      if (!items(row, step.item, item)) return false;
      target.lists.offsets->push(checked_offset(texts.length()));
      return true;
    });
    texts.put();
    return good;
  }

  bool map_of_row(const Step& step, MapsOfRow& maps) {
    RowCursor& row = rows_[0];
    bool given = true;
    if (step.value.optional && !row.branch(step.value.given, step.value.null, given)) return false;
    Column column;
    if (!given) {
      column = maps.none(step.maps, step.values);
    } else if (!maps.read(row, step.maps, step.values, step.cap, column)) {
      return false;
    }
    targets_.row_.set_column(step.member, column);
    return !row.passed_end();
  }

  // A map's entries; `depth`: maps that are in it, one in the other.
  static bool map(RowCursor& row, const Shape& shape, RowMaps& maps, int32_t depth) {
    for (;;) {
      int64_t count;
      if (!row.count(count)) return false;
      if (count == 0) break;
      maps.keys->expect(count);
      if (maps.values != nullptr) maps.values->expect(count);
      for (; count > 0; --count) {
        TextInRow key;
        if (!row.text(key)) return false;
        maps.keys->push_text(key);
        bool good = true;
        if (depth > 0) {
          good = map(row, shape, *maps.inner, depth - 1);
        } else {
          bool finite = true;
          good = value(row, shape.op, *maps.values, [&] { finite = false; }) && finite;
        }
        if (!good || row.passed_end()) return false;
      }
    }
    return maps.end_entries();
  }

  bool skip(const Step& step) {
    const auto skipped = [](RowCursor& row, const Shape& shape) {
      int64_t number;
      uint8_t boolean;
      TextInRow text;
      switch (shape.op) {
        case Op::SkipBool:
          return row.boolean(boolean);
        case Op::SkipInteger:
          return row.integer(number);
        case Op::SkipFixed:
          return row.skip(shape.bytes);
        case Op::SkipText:
          return row.text(text);
        default:
          return false;
      }
    };
    if (step.value.op == Op::Other) return others(step);
    for (RowCursor& row : rows_) {
      bool given = true;
      if (step.value.optional && !row.branch(step.value.given, step.value.null, given)) return false;
      if (!given) continue;
      const bool good = step.value.op == Op::SkipList ? items(row, step.item, [&] { return skipped(row, step.item); })
                                                      : skipped(row, step.value);
      if (!good || row.passed_end()) return false;
    }
    return true;
  }

  // By the nodes of the plan.
  bool others(const Step& step) {
    if (general_.empty()) {
      for (const std::string_view body : bodies_) general_.emplace_back(plan_.nodes(), body);
    }
    const int64_t first = targets_.row_.rows();
    for (size_t r = 0; r < rows_.size(); ++r) {
      general_[r].go_to(rows_[r].at());
      if (step.member < 0) {
        general_[r].skip(step.node, 1);
      } else {
        targets_.row_.set_rows(first + static_cast<int64_t>(r));
        general_[r].read(step.node, targets_.row_.member(step.member), 1);
        targets_.row_.end_member(step.member);
      }
      rows_[r].go_to(general_[r].at());
    }
    targets_.row_.set_rows(first);
    return true;
  }

  const DecodePlan& plan_;
  const std::span<const std::string_view> bodies_;
  Targets& targets_;
  std::vector<RowCursor> rows_;
  std::vector<RowBody> general_;
};

bool RowSteps::read(std::span<const std::string_view> bodies, Targets& targets) const {
  if (!usable_) return false;
  Block block(plan_, bodies, targets);
  for (const Step& step : steps_) {
    if (!block.read(step)) return false;
  }
  if (!block.at_end()) return false;
  targets.row_.set_rows(targets.row_.rows() + std::ssize(bodies));
  return true;
}

}  // namespace feat
