// Reading the body of one row by a plan, value by value: the whole of what a writer's schema may say. Most rows are
// read by `engine/row_steps.h`.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "engine/row_codec.h"
#include "engine/row_sink.h"

namespace feat {

// One body. Every read is bounded by its end, what recurses by `kDeepest`, what loops by `values_left_`.
class RowBody {
 public:
  using Op = DecodePlan::Op;
  using Node = DecodePlan::Node;
  static constexpr int kDeepest = 256;

  RowBody(const std::vector<Node>& nodes, std::string_view body)
      : nodes_(nodes),
        at_(reinterpret_cast<const uint8_t*>(body.data())),
        end_(at_ + body.size()),
        values_left_(static_cast<int64_t>(body.size()) * kValuesPerByte + kFreeValues) {}

  const uint8_t* at() const { return at_; }
  // Goes on from another place of the body.
  void go_to(const uint8_t* at) { at_ = at; }
  // Errors: BadValue when there is more.
  void expect_end() const {
    if (at_ != end_) lies("bytes follow the row");
  }

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
  // Values that one body may hold: many take no byte of their own (unions, records, nulls), so what a
  // hostile block count could ask for is bounded by this.
  static constexpr int64_t kValuesPerByte = 16;
  static constexpr int64_t kFreeValues = 1 << 16;

  [[noreturn]] static void lies(const char* what) { throw BadValue(std::string("the row does not decode: ") + what); }
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

}  // namespace feat
