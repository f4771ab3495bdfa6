// Rows of scalars, of lists of them and of maps, as straight steps: what most writer schemas are, read without a call a
// value, and many rows at a time, one step of all of them after the other.
//
// Steps read only what is in order. Whatever is not (a branch out of range, a number that does not fit, a row that is
// cut short, a list in blocks with sizes) makes them give the rows up; then `DecodePlan::decode` reads that one again
// from its start and says what is wrong, or finds it right after all. So the rules stand in the sinks alone.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/maps_of_row.h"
#include "engine/row_codec.h"
#include "engine/row_column.h"
#include "engine/row_sink.h"

namespace feat {

class RowSink;

class RowSteps {
 public:
  // So many bytes behind a row may be read.
  static constexpr int64_t kSlack = 64;
  static constexpr size_t kAtOnce = 32;

  // The steps of a plan that was made for such rows. The plan outlives them.
  RowSteps(const DecodePlan& plan, RowSink& row);

  // Where the values of rows go, member by member; made once for many rows.
  class Targets {
   public:
    explicit Targets(RowSink& row);
    Targets(const Targets&) = delete;
    Targets& operator=(const Targets&) = delete;
    // Whether all texts that were read since the last such question are UTF-8; if not, no row may be taken as read.
    bool new_texts_are_valid();

   private:
    friend class RowSteps;
    struct Member {
      Sink* sink = nullptr;         // null where nobody has asked for it yet
      RowColumn* column = nullptr;  // of the values, or of a list's; null where there is neither
      bool keeps_nulls = false;     // of the values
      RowLists lists{nullptr, nullptr, -1};
      RowMaps* maps = nullptr;  // null where there are none
    };
    const Member& member(int32_t index) {
      Member& found = members_[static_cast<size_t>(index)];
      if (found.sink == nullptr) found = of_sink(index);
      return found;
    }
    Member of_sink(int32_t index);
    // The memory of the maps of the only row, of such a size; null where there are more, or it is too large.
    MapsOfRow* maps_of_row(int64_t row_bytes);

    RowSink& row_;
    std::vector<Member> members_;
    std::optional<MapsOfRow> maps_;
  };

  // Reads up to kAtOnce bodies, behind each of which there are kSlack bytes. False: one was given up, and the row holds
  // part of them. Errors: BadValue, likewise.
  bool read(std::span<const std::string_view> bodies, Targets& targets) const;

 private:
  enum class Op : uint8_t {
    Bool,
    Int32,
    Int64,
    FloatOfInteger,  // to any type of floats
    Float32,
    Float64,
    FloatOfFloat32,
    FloatOfFloat64,
    Text,
    List,
    Map,
    SkipBool,
    SkipInteger,
    SkipFixed,
    SkipText,
    SkipList,
    Absent,  // the writer has no such field
    Other,   // read by its node
  };
  // A value; `optional`: in a union with null, where a byte says which.
  struct Shape {
    Op op = Op::Other;
    bool optional = false;
    uint8_t given = 0, null = 0;
    uint32_t bytes = 0;  // of a SkipFixed
  };
  struct Step {
    Shape value;
    Shape item;  // of a list, or what is innermost in maps
    int32_t member = -1;
    uint32_t node = 0;
    int32_t maps = 0;             // one in the other
    Layout values = Layout::I64;  // of the innermost
    int64_t cap = -1;             // of the entries of a map
  };
  class Block;

  // The value's part of a node: what is in its union with null, if it is one.
  const DecodePlan::Node& unwrapped(uint32_t index, Shape& shape) const;
  Step step_of(uint32_t index, int32_t member, Targets& targets) const;
  // Whether a member's maps are read by steps; then the step is made that.
  bool make_map_step(const DecodePlan::Node& node, const RowMaps* maps, Step& step) const;
  static Op op_of(const DecodePlan::Node& node, Layout target);
  static Op skip_of(const DecodePlan::Node& node, Shape& shape);

  const DecodePlan& plan_;
  bool usable_ = false;
  std::vector<Step> steps_;
};

}  // namespace feat
