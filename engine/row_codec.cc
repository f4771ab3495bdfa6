#include "engine/row_codec.h"

#include <bit>
#include <cstring>

#include "engine/row_body.h"

namespace feat {

static_assert(std::endian::native == std::endian::little, "rows and plans are little-endian");

namespace {

using Op = DecodePlan::Op;
using Node = DecodePlan::Node;

constexpr std::string_view kMagic = "FEATROW1";
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
  if (depth > RowBody::kDeepest) throw EngineError("the decode plan nests too deep");
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
  RowBody reading(nodes_, body);
  reading.read(0, row, 0);
  reading.expect_end();
}

}  // namespace feat
