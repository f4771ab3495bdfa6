#include "engine/row_sequence.h"

#include <algorithm>

namespace feat {

// One struct of a list of structs.
class SequenceSink::Element final : public Sink {
 public:
  explicit Element(SequenceSink& sequence) : Sink(sequence.name()), sequence_(sequence) {}
  void null() override {}
  void begin_struct() override {}
  Sink& member(int index) override { return *sequence_.members_[static_cast<size_t>(index)]; }
  void end_struct() override { sequence_.end_element(); }
  int member_index(std::string_view name) const override { return sequence_.member_index(name); }
  bool takes(Given given) const override { return given == Given::Struct; }
  std::string declared() const override { return "a sequence"; }

 private:
  SequenceSink& sequence_;
};

// One list of a struct of lists.
class SequenceSink::MemberList final : public Sink {
 public:
  MemberList(SequenceSink& sequence, ColumnSink& items, const FieldSpec& spec)
      : Sink(spec.name), sequence_(sequence), items_(items), required_(spec.required()) {}
  void null() override {}
  void begin_list() override {
    if (length_ >= 0) refuse("is given twice");
    length_ = 0;
  }
  Sink& item() override { return items_; }
  void end_item() override {
    const auto at = static_cast<size_t>(length_++);
    auto& dropped = sequence_.dropped_;
    if (dropped.size() <= at) dropped.resize(at + 1, 0);
    if (required_ && items_.last_is_null()) dropped[at] = 1;
  }
  bool takes(Given given) const override { return given == Given::List; }
  std::string declared() const override { return "list<" + items_.declared() + ">"; }

  void begin_row() { length_ = -1; }
  int64_t length() const { return length_; }  // -1: null or absent
  // A null or absent list is null at every position.
  void fill(int64_t length) {
    if (length_ >= 0) return;
    length_ = 0;
    while (length_ < length) {
      items_.null();
      end_item();
    }
  }

 private:
  SequenceSink& sequence_;
  ColumnSink& items_;
  const bool required_;
  int64_t length_ = -1;
};

SequenceSink::SequenceSink(const SequenceSpec& spec, Intake& intake)
    : Sink(spec.name),
      spec_(spec),
      arena_(intake.arena),
      kept_(intake.arena),
      offsets_(intake.arena),
      row_ends_(intake.arena) {
  offsets_.push(0);
  row_ends_.push(0);
  element_ = std::make_unique<Element>(*this);
  for (const FieldSpec& member : spec.members) {
    members_.push_back(make_sink(member, member.type, false, intake));
    lists_.push_back(std::make_unique<MemberList>(*this, *members_.back(), member));
  }
}

SequenceSink::~SequenceSink() = default;

void SequenceSink::null() { close_row(); }

void SequenceSink::begin_list() {}

Sink& SequenceSink::item() { return *element_; }

void SequenceSink::end_element() {
  bool keep = spec_.cap < 0 || kept_.size() - offsets_[rows()] < spec_.cap;
  for (size_t i = 0; i < members_.size(); ++i) {
    ColumnSink& member = *members_[i];
    if (member.rows() == positions_) member.null();
    if (member.rows() != positions_ + 1) refuse("has an element with two values of one field");
    keep &= !(member.last_is_null() && spec_.members[i].required());
  }
  if (!keep) return truncate_members(positions_);
  kept_.push(checked_count(positions_++, name()));
}

void SequenceSink::begin_struct() {
  dropped_.clear();
  for (auto& list : lists_) list->begin_row();
}

Sink& SequenceSink::member(int index) { return *lists_[static_cast<size_t>(index)]; }

void SequenceSink::end_struct() {
  int64_t length = -1;
  for (const auto& list : lists_) {
    if (list->length() < 0) continue;
    if (length >= 0 && list->length() != length) {
      refuse("has lists of different lengths: " + std::to_string(length) + " and " + std::to_string(list->length()));
    }
    length = list->length();
  }
  length = std::max<int64_t>(length, 0);
  for (auto& list : lists_) list->fill(length);
  int64_t kept = 0;
  for (int64_t i = 0; i < length && kept != spec_.cap; ++i) {
    if (dropped_[static_cast<size_t>(i)]) continue;
    kept_.push(checked_count(positions_ + i, name()));
    ++kept;
  }
  positions_ += length;
  close_row();
}

int SequenceSink::member_index(std::string_view name) const {
  const size_t start = spec_.name.size() + 1;
  for (size_t i = 0; i < spec_.members.size(); ++i) {
    if (std::string_view(spec_.members[i].name).substr(start) == name) return static_cast<int>(i);
  }
  return -1;
}

void SequenceSink::close_row() {
  offsets_.push(checked_count(kept_.size(), name()));
  row_ends_.push(positions_);
}

void SequenceSink::truncate_members(int64_t positions) {
  for (auto& member : members_) member->truncate(positions);
  positions_ = positions;
}

void SequenceSink::truncate(int64_t rows) {
  offsets_.truncate(rows + 1);
  row_ends_.truncate(rows + 1);
  kept_.truncate(offsets_[rows]);
  truncate_members(row_ends_[rows]);
}

std::vector<Column> SequenceSink::finish() {
  std::vector<Column> lists;
  for (auto& member : members_) {
    Column elements = member->finish();
    if (kept_.size() != positions_) elements = gather(elements, kept_.data(), kept_.size(), arena_);
    Column list;
    list.layout = Layout::List;
    list.length = rows();
    list.offsets = offsets_.data();
    list.child = place(elements, arena_);
    lists.push_back(list);
  }
  return lists;
}

}  // namespace feat
