#include "engine/row_codec.h"

#include <bit>
#include <cstring>
#include <limits>

namespace feat {

static_assert(std::endian::native == std::endian::little, "rows and plans are little-endian");

namespace {

using Op = DecodePlan::Op;
using Node = DecodePlan::Node;

constexpr std::string_view kMagic = "FEATROW1";
constexpr int kDeepest = 256;
// Values that one body may hold: many take no byte of their own (unions, records, nulls), so what a
// hostile block count could ask for is bounded by this.
constexpr int64_t kValuesPerByte = 16;
constexpr int64_t kFreeValues = 1 << 16;

[[noreturn]] void lies(const char* what) { throw BadValue(std::string("the row does not decode: ") + what); }

class PlanReader {
 public:
  explicit PlanReader(std::string_view data) : left_(data) {}

  template <class T>
  T fixed() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view take(size_t bytes) {
    if (bytes > left_.size()) throw EngineError("the decode plan is cut short");
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(bytes);
    return taken;
  }
  std::string text() { return std::string(take(fixed<uint32_t>())); }
  // A number of things that take `bytes` each, or more.
  uint32_t count(size_t bytes) {
    const auto number = fixed<uint32_t>();
    if (number > left_.size() / bytes) throw EngineError("the decode plan is cut short");
    return number;
  }
  bool at_end() const { return left_.empty(); }

 private:
  std::string_view left_;
};

Node read_node(PlanReader& reader) {
  Node node;
  const auto op = reader.fixed<uint8_t>();
  if (op > static_cast<uint8_t>(Op::Refuse))
    throw EngineError("the decode plan has an unknown node: " + std::to_string(op));
  node.op = static_cast<Op>(op);
  switch (node.op) {
    case Op::Integer:
      node.factor = reader.fixed<int64_t>();
      node.divisor = reader.fixed<int64_t>();
      if (node.factor < 1 || node.divisor < 1) throw EngineError("the decode plan scales by less than 1");
      break;
    case Op::Fixed:
      node.size = reader.fixed<uint32_t>();
      break;
    case Op::Enum:
      for (auto left = reader.count(4); left > 0; --left) node.names.push_back(reader.text());
      break;
    case Op::Union:
      for (auto left = reader.count(4); left > 0; --left) node.children.push_back(reader.fixed<uint32_t>());
      break;
    case Op::Array:
    case Op::Map:
      node.children.push_back(reader.fixed<uint32_t>());
      break;
    case Op::Record:
      for (auto left = reader.count(8); left > 0; --left) {
        node.children.push_back(reader.fixed<uint32_t>());
        node.names.push_back(reader.text());
      }
      break;
    default:
      break;
  }
  return node;
}

// One body. Every read is bounded by its end, what recurses by `kDeepest`, what loops by `values_left_`.
class Body {
 public:
  Body(const std::vector<Node>& nodes, std::string_view body)
      : nodes_(nodes),
        at_(reinterpret_cast<const uint8_t*>(body.data())),
        end_(at_ + body.size()),
        values_left_(static_cast<int64_t>(body.size()) * kValuesPerByte + kFreeValues) {}

  bool at_end() const { return at_ == end_; }

  // Reads a value into a sink.
  void read(uint32_t index, Sink& sink, int depth) {
    enter(depth);
    const Node& node = nodes_[index];
    switch (node.op) {
      case Op::Null:
        return sink.null();
      case Op::Boolean:
        return sink.boolean(boolean());
      case Op::Integer:
        return sink.integer(scaled(node));
      case Op::Float32:
        return sink.number(static_cast<double>(fixed<float>()));
      case Op::Float64:
        return sink.number(fixed<double>());
      case Op::Bytes:
        return sink.text(bytes());
      case Op::Fixed:
        return sink.text(take(node.size));
      case Op::Enum:
        return sink.text(node.names[choice(node.names.size())]);
      case Op::Union:
        return read(node.children[choice(node.children.size())], sink, depth + 1);
      case Op::Array: {
        sink.begin_list();
        Sink& item = sink.item();
        blocks([&] {
          read(node.children[0], item, depth + 1);
          sink.end_item();
        });
        return sink.end_list();
      }
      case Op::Map: {
        if (!sink.takes(Given::Map)) lies("it holds a map");
        sink.begin_list();
        Sink& entry = sink.item();
        blocks([&] {
          entry.begin_struct();
          entry.member(0).text(bytes());
          read(node.children[0], entry.member(1), depth + 1);
          entry.end_struct();
          sink.end_item();
        });
        return sink.end_list();
      }
      case Op::Record:
        sink.begin_struct();
        for (size_t i = 0; i < node.children.size(); ++i) {
          const int32_t member = node.members[i];
          if (member < 0) {
            skip(node.children[i], depth + 1);
          } else {
            read(node.children[i], sink.member(member), depth + 1);
          }
        }
        return sink.end_struct();
      case Op::Refuse:
        lies("it holds a type that the field cannot take");
    }
  }

  void skip(uint32_t index, int depth) {
    enter(depth);
    const Node& node = nodes_[index];
    switch (node.op) {
      case Op::Null:
        return;
      case Op::Boolean:
        boolean();
        return;
      case Op::Integer:
        varint();
        return;
      case Op::Float32:
        take(4);
        return;
      case Op::Float64:
        take(8);
        return;
      case Op::Bytes:
        bytes();
        return;
      case Op::Fixed:
        take(node.size);
        return;
      case Op::Enum:
        choice(node.names.size());
        return;
      case Op::Union:
        return skip(node.children[choice(node.children.size())], depth + 1);
      case Op::Array:
        return blocks([&] { skip(node.children[0], depth + 1); });
      case Op::Map:
        return blocks([&] {
          bytes();
          skip(node.children[0], depth + 1);
        });
      case Op::Record:
        for (const uint32_t child : node.children) skip(child, depth + 1);
        return;
      case Op::Refuse:
        lies("it holds a type that the field cannot take");
    }
  }

 private:
  void enter(int depth) {
    if (depth > kDeepest) lies("it nests too deep");
    if (--values_left_ < 0) lies("it holds too many values");
  }
  std::string_view take(uint64_t bytes) {
    if (bytes > static_cast<uint64_t>(end_ - at_)) lies("it is cut short");
    const std::string_view taken(reinterpret_cast<const char*>(at_), bytes);
    at_ += bytes;
    return taken;
  }
  template <class T>
  T fixed() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  int64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (at_ == end_) lies("it is cut short");
      const uint64_t byte = *at_++;
      if (shift == 63 && byte > 1) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return static_cast<int64_t>((value >> 1) ^ (~(value & 1) + 1));
    }
    lies("an integer passes 64 bits");
  }
  bool boolean() {
    const auto byte = fixed<uint8_t>();
    if (byte > 1) lies("a boolean is neither 0 nor 1");
    return byte == 1;
  }
  std::string_view bytes() {
    const int64_t length = varint();
    if (length < 0) lies("a length is negative");
    return take(static_cast<uint64_t>(length));
  }
  size_t choice(size_t count) {
    const int64_t index = varint();
    if (index < 0 || static_cast<uint64_t>(index) >= count) lies("a branch or symbol is out of range");
    return static_cast<size_t>(index);
  }
  int64_t scaled(const Node& node) {
    int64_t value = varint();
    if (__builtin_mul_overflow(value, node.factor, &value)) lies("a time does not fit 64 bits of microseconds");
    const int64_t quotient = value / node.divisor;
    return quotient - (value % node.divisor < 0 ? 1 : 0);
  }
  template <class F>
  void blocks(F&& item) {
    while (int64_t count = varint()) {
      const uint8_t* block_end = nullptr;
      if (count < 0) {
        if (count == std::numeric_limits<int64_t>::min()) lies("a block is too large");
        count = -count;
        const int64_t size = varint();
        if (size < 0 || size > end_ - at_) lies("a block is too large");
        block_end = at_ + size;
      }
      if (count > values_left_) lies("a block is too large");
      for (; count > 0; --count) item();
      if (block_end != nullptr && at_ != block_end) lies("a block has not the size that it says");
    }
  }

  const std::vector<Node>& nodes_;
  const uint8_t* at_;
  const uint8_t* end_;
  int64_t values_left_;
};

}  // namespace

DecodePlan::DecodePlan(std::string_view data, Sink& row) {
  PlanReader reader(data);
  if (data.size() < kMagic.size() || reader.take(kMagic.size()) != kMagic) {
    throw EngineError("these bytes are not a decode plan");
  }
  for (auto left = reader.count(1); left > 0; --left) nodes_.push_back(read_node(reader));
  if (nodes_.empty() || !reader.at_end()) throw EngineError("the decode plan has not the length that it says");
  for (Node& node : nodes_) {
    for (const uint32_t child : node.children) {
      if (child >= nodes_.size()) throw EngineError("the decode plan refers to a node that it has not");
    }
    node.members.assign(node.op == Op::Record ? node.children.size() : 0, -1);
  }
  bind(0, row, 0);
  for (Node& node : nodes_) {
    node.bound = nullptr;
    if (node.op == Op::Record) node.names.clear();
  }
}

void DecodePlan::bind(uint32_t index, Sink& sink, int depth) {
  Node& node = nodes_[index];
  if (node.bound == &sink) return;
  if (depth > kDeepest) throw EngineError("the decode plan nests too deep");
  const Sink* const bound_before = node.bound;
  node.bound = &sink;
  if (node.op == Op::Union) {
    for (const uint32_t branch : node.children) bind(branch, sink, depth + 1);
  } else if (node.op == Op::Array) {
    if (sink.takes(Given::List)) bind(node.children[0], sink.item(), depth + 1);
  } else if (node.op == Op::Map) {
    if (sink.takes(Given::Map)) bind(node.children[0], sink.item().member(1), depth + 1);
  } else if (node.op == Op::Record && sink.takes(Given::Struct)) {
    if (bound_before != nullptr) throw EngineError("the decode plan gives one record to two sinks");
    for (size_t i = 0; i < node.children.size(); ++i) {
      if (node.names[i].empty()) continue;
      node.members[i] = sink.member_index(node.names[i]);
      if (node.members[i] < 0) throw EngineError("the reader has no field of this name: " + node.names[i]);
      bind(node.children[i], sink.member(node.members[i]), depth + 1);
    }
  }
}

void DecodePlan::decode(std::string_view body, Sink& row) const {
  Body reading(nodes_, body);
  reading.read(0, row, 0);
  if (!reading.at_end()) lies("bytes follow the row");
}

}  // namespace feat
