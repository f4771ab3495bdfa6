// Avro rows, decoded straight into sinks by a plan of their writer's schema.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/row_sink.h"

namespace feat {

// How the bytes of one writer schema are read; made by `store/decode_plan.py`. Little-endian: magic
// `FEATROW1`, u32 number of nodes, the nodes, of which the first is the row's record; a node is a u8 (Op)
// and what Op says. str = u32 byte length + UTF-8. Nodes may refer to any node: writer schemas may recurse.
class DecodePlan {
 public:
  // `row` is a sink of the reader that the plan is for. Errors: EngineError.
  DecodePlan(std::string_view data, Sink& row);

  // Decodes one body (all of it) into the sink of a row. Errors: BadValue; the sink then holds part of a row.
  void decode(std::string_view body, Sink& row) const;

  enum class Op : uint8_t {
    Null,
    Boolean,
    Integer,  // i64 factor, i64 divisor: the value is v * factor, or floor(v / divisor); 1 for none
    Float32,
    Float64,
    Bytes,   // text, too
    Fixed,   // u32 bytes
    Enum,    // u32 number, each str
    Union,   // u32 number, each u32 node
    Array,   // u32 node
    Map,     // u32 node of the values
    Record,  // u32 number, each {u32 node, str name of the member that it fills, "" to skip it}
    Refuse,  // a branch that the reader cannot take
  };

  struct Node {
    Op op = Op::Null;
    int64_t factor = 1;
    int64_t divisor = 1;
    uint32_t size = 0;
    std::vector<std::string> names;  // of a Record's members or an Enum's symbols
    std::vector<uint32_t> children;
    std::vector<int32_t> members;  // of a Record: the index of the member, -1 to skip
    const Sink* bound = nullptr;   // while binding: the sink it was bound to
  };
  const std::vector<Node>& nodes() const { return nodes_; }

 private:
  void bind(uint32_t node, Sink& sink, int depth);

  std::vector<Node> nodes_;
};

}  // namespace feat
