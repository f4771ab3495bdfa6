// The input rules of a sequence: an element that lacks a required value goes from all lists at once.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/row_sink.h"

namespace feat {

// Aligned lists under one name. A row is a list of structs or a struct of lists.
class SequenceSink final : public Sink {
 public:
  SequenceSink(const SequenceSpec& spec, Intake& intake);
  ~SequenceSink() override;
  void null() override;
  void begin_list() override;
  Sink& item() override;
  void end_list() override { close_row(); }
  void begin_struct() override;
  Sink& member(int index) override;
  void end_struct() override;
  int member_index(std::string_view name) const override;
  bool takes(Given given) const override { return given == Given::List || given == Given::Struct; }
  std::string declared() const override { return "a sequence"; }

  int64_t rows() const { return offsets_.size() - 1; }
  void truncate(int64_t rows);
  // A list column for each member, in order; all share their offsets.
  std::vector<Column> finish();

 private:
  class Element;
  class MemberList;
  void end_element();
  void close_row();
  void truncate_members(int64_t positions);

  const SequenceSpec& spec_;
  Arena& arena_;
  std::vector<SinkPtr> members_;
  std::unique_ptr<Element> element_;
  std::vector<std::unique_ptr<MemberList>> lists_;
  int64_t positions_ = 0;         // held by the members: kept ones, and dropped ones of structs of lists
  Growing<int32_t> kept_;         // positions that stay
  Growing<int32_t> offsets_;      // into `kept_`, one a row and one more
  Growing<int64_t> row_ends_;     // `positions_` after each row, and 0 before
  std::vector<uint8_t> dropped_;  // of the positions of this row
};

}  // namespace feat
