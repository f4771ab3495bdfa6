#include "engine/row_steps.h"

#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "engine/row_body.h"
#include "engine/row_reader.h"

namespace feat {

using Node = DecodePlan::Node;

// --- a plan's steps ----------------------------------------------------------------------------------------------

RowSteps::RowSteps(const DecodePlan& plan, RowSink& row) : plan_(plan) {
  const Node& root = plan.nodes()[0];
  if (root.op != DecodePlan::Op::Record) return;
  const Targets targets(row);
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

RowSteps::Step RowSteps::step_of(uint32_t index, int32_t member, const Targets& targets) const {
  Step step;
  const Node& node = unwrapped(index, step.value);
  const bool array = node.op == DecodePlan::Op::Array;
  const Node& value = array ? unwrapped(node.children[0], step.item) : node;
  Shape& shape = array ? step.item : step.value;
  if (member >= 0 && make_map_step(node, targets.members_[static_cast<size_t>(member)].maps, step)) {
    step.member = member;
    return step;
  }
  if (member < 0) {
    shape.op = skip_of(value, shape);
  } else if (const auto& target = targets.members_[static_cast<size_t>(member)];
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
    step.item.op = op_of(*value, at->values->layout());
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

RowSteps::Targets::Targets(RowSink& row) : row_(row) {
  for (int i = 0; i < row.member_count(); ++i) {
    ColumnSink* sink = row.column(i);
    Member member{row.member(i), nullptr, {nullptr, nullptr, -1}, nullptr};
    if (sink != nullptr) {
      member.lists = sink->lists();
      member.column = member.lists.items != nullptr ? member.lists.items : sink->scalars();
      member.maps = sink->maps();
    }
    members_.push_back(member);
  }
}

bool RowSteps::Targets::texts_are_valid() const {
  for (const Member& member : members_) {
    if (member.column != nullptr && !member.column->texts_are_valid()) return false;
    for (const RowMaps* maps = member.maps; maps != nullptr; maps = maps->inner) {
      if (!maps->keys->texts_are_valid()) return false;
      if (maps->values != nullptr && !maps->values->texts_are_valid()) return false;
    }
  }
  return true;
}

// --- one body ----------------------------------------------------------------------------------------------------

// What is read here is read for most values of most rows, so a failure is a bool and not an exception. At the
// beginning of every value `at_` is not behind `end_`, so that kSlack bytes may be read.
class RowSteps::Reading {
 public:
  Reading(const DecodePlan& plan, std::string_view body)
      : plan_(plan), body_(body), at_(reinterpret_cast<const uint8_t*>(body.data())), end_(at_ + body.size()) {}

  bool at_end() const { return at_ == end_; }
  bool passed_end() const { return at_ > end_; }

  // Whether there is a value, and not null.
  bool branch(const Shape& shape, bool& given) {
    const uint8_t which = *at_++;
    given = which == shape.given;
    return given || which == shape.null;
  }

  // A value, to its column. `null`: what stands there for a float that is not finite.
  template <class Null>
  bool value(const Shape& shape, RowColumn& column, Null null) {
    switch (shape.op) {
      case Op::Bool:
        if (*at_ > 1) return false;
        column.push(*at_++);
        return true;
      case Op::Int32: {
        int64_t number;
        if (!integer(number) || number != static_cast<int32_t>(number)) return false;
        column.push(static_cast<int32_t>(number));
        return true;
      }
      case Op::Int64: {
        int64_t number;
        if (!integer(number)) return false;
        column.push(number);
        return true;
      }
      case Op::Float32:
        return finite<float>(column, null);
      case Op::Float64:
        return finite<double>(column, null);
      case Op::Text: {
        int64_t size;
        if (!length(size)) return false;
        column.push_text_in_slack(at_, size);
        at_ += size;
        return true;
      }
      default:
        return false;
    }
  }

  // A value whose sink knows how to take it.
  bool converted(const Shape& shape, Sink& sink) {
    int64_t number;
    switch (shape.op) {
      case Op::FloatOfInteger:
        if (!integer(number)) return false;
        sink.integer(number);
        return true;
      case Op::FloatOfFloat32:
        sink.number(static_cast<double>(fixed<float>()));
        return true;
      case Op::FloatOfFloat64:
        sink.number(fixed<double>());
        return true;
      default:
        return false;
    }
  }

  bool skip(const Shape& shape) {
    int64_t number;
    switch (shape.op) {
      case Op::SkipBool:
        return *at_++ <= 1;
      case Op::SkipInteger:
        return integer(number);
      case Op::SkipFixed:
        if (shape.bytes > end_ - at_) return false;
        at_ += shape.bytes;
        return true;
      case Op::SkipText:
        if (!length(number)) return false;
        at_ += number;
        return true;
      default:
        return false;
    }
  }

  // The items of a list, one block after the other. `item` takes one that is not null.
  template <class Item>
  bool items(const Shape& shape, Item item) {
    for (;;) {
      int64_t count;
      if (!integer(count) || count < 0 || count > end_ - at_) return false;
      if (count == 0) return true;
      for (; count > 0; --count) {
        bool given = true;
        if (shape.optional && !branch(shape, given)) return false;
        if (given && !item()) return false;
        if (passed_end()) return false;
      }
    }
  }

  bool list(const Step& step, const RowLists& lists) {
    RowColumn& column = *lists.items;
    const int64_t start = column.length();
    const auto no_null = [] {};  // a null item goes
    if (!items(step.item, [&] { return value(step.item, column, no_null); })) return false;
    if (lists.cap >= 0) column.truncate(start + lists.cap);
    lists.offsets->push(checked_offset(column.length()));
    return true;
  }

  // A map's entries; `depth`: maps that are in it, one in the other.
  bool map(const Shape& shape, RowMaps& maps, int32_t depth) {
    for (;;) {
      int64_t count;
      if (!integer(count) || count < 0 || count > end_ - at_) return false;
      if (count == 0) return maps.end_entries();
      maps.keys->expect(count);
      if (maps.values != nullptr) maps.values->expect(count);
      for (; count > 0; --count) {
        int64_t size;
        if (!length(size)) return false;
        maps.keys->push_text_in_slack(at_, size);
        at_ += size;
        bool good = true;
        if (depth > 0) {
          good = map(shape, *maps.inner, depth - 1);
        } else {
          bool finite = true;
          good = value(shape, *maps.values, [&] { finite = false; }) && finite;
        }
        if (!good || passed_end()) return false;
      }
    }
  }

  void other(const Step& step, RowSink& row) {
    if (!general_) general_.emplace(plan_.nodes(), body_);
    general_->go_to(at_);
    if (step.member < 0) {
      general_->skip(step.node, 1);
    } else {
      general_->read(step.node, row.member(step.member), 1);
      row.end_member(step.member);
    }
    at_ = general_->at();
  }

 private:
  template <class T>
  T fixed() {
    T value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  template <class T, class Null>
  bool finite(RowColumn& column, Null null) {
    const T number = fixed<T>();
    if (std::isfinite(number)) [[likely]] {
      column.push(number);
    } else {
      null();
    }
    return true;
  }

  // A varint of up to 8 bytes at once, a longer one byte by byte.
  bool integer(int64_t& number) {
    uint64_t word;
    std::memcpy(&word, at_, sizeof word);
    const uint64_t ends = ~word & 0x8080808080808080;
    if (ends == 0) return long_integer(number);
    const int bits = std::countr_zero(ends) + 1;
    word &= ~uint64_t{0} >> (64 - bits);
    word = (word & 0x007f007f007f007f) | (word & 0x7f007f007f007f00) >> 1;
    word = (word & 0x00003fff00003fff) | (word & 0x3fff00003fff0000) >> 2;
    word = (word & 0x000000000fffffff) | (word & 0x0fffffff00000000) >> 4;
    at_ += bits / 8;
    number = static_cast<int64_t>(word >> 1 ^ (~(word & 1) + 1));
    return true;
  }
  bool long_integer(int64_t& number) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const uint64_t byte = *at_++;
      if (shift == 63 && byte > 1) return false;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        number = static_cast<int64_t>(value >> 1 ^ (~(value & 1) + 1));
        return true;
      }
    }
    return false;
  }
  // The bytes of a text that lies before the end.
  bool length(int64_t& size) {
    if (*at_ < 0x80) {
      size = *at_ >> 1;
      if ((*at_++ & 1) != 0) return false;
    } else if (!integer(size) || size < 0) {
      return false;
    }
    return size <= end_ - at_;
  }

  const DecodePlan& plan_;
  const std::string_view body_;
  const uint8_t* at_;
  const uint8_t* const end_;
  std::optional<RowBody> general_;
};

bool RowSteps::read(std::string_view body, Targets& targets) const {
  if (!usable_) return false;
  Reading reading(plan_, body);
  for (const Step& step : steps_) {
    bool given = true;
    if (step.value.optional && !reading.branch(step.value, given)) return false;
    const auto& target = [&]() -> const Targets::Member& { return targets.members_[static_cast<size_t>(step.member)]; };
    bool good = true;
    if (!given) {
      if (step.member >= 0) target().sink.null();
    } else {
      switch (step.value.op) {
        case Op::FloatOfInteger:
        case Op::FloatOfFloat32:
        case Op::FloatOfFloat64:
          good = reading.converted(step.value, target().sink);
          break;
        case Op::List:
          good = reading.list(step, target().lists);
          break;
        case Op::Map:
          good = reading.map(step.item, *target().maps, step.maps - 1);
          break;
        case Op::SkipList:
          good = reading.items(step.item, [&] { return reading.skip(step.item); });
          break;
        case Op::SkipBool:
        case Op::SkipInteger:
        case Op::SkipFixed:
        case Op::SkipText:
          good = reading.skip(step.value);
          break;
        case Op::Absent:
          target().sink.null();
          break;
        case Op::Other:
          reading.other(step, targets.row_);
          break;
        default:
          good = reading.value(step.value, *target().column, [&] { target().sink.null(); });
      }
    }
    if (!good || reading.passed_end()) return false;
  }
  if (!reading.at_end()) return false;
  targets.row_.set_rows(targets.row_.rows() + 1);
  return true;
}

}  // namespace feat
