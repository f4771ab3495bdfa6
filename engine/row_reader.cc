#include "engine/row_reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <unordered_set>

#include "engine/row_arrow.h"

namespace feat {

namespace {

constexpr std::string_view kMarker = "\xC3\x01";
static_assert(Arena::kSlack >= RowSteps::kSlack);
constexpr size_t kHeader = 10;
constexpr int64_t kExpectedRows = 4096;  // most that room is taken for before there are any

void check_type(const std::string& name, const Type& type) {
  if (type.kind == Kind::Nothing) throw EngineError("`" + name + "` has a type that no row holds: " + type.text());
  for (const Type& child : type.children) check_type(name, child);
  if (type.kind == Kind::Vector && !type.element().children.empty()) {
    throw EngineError("`" + name + "` is a vector of what is no scalar: " + type.text());
  }
  if (type.kind == Kind::Map) {
    const Kind key = type.children[0].kind;
    if (key != Kind::String && key != Kind::Int64 && key != Kind::Int32) {
      throw EngineError("`" + name + "` has keys that are neither string nor int64: " + type.text());
    }
  }
}

// A default reads as itself, so it must be a value of its type (a vector repeats it).
bool suits(const Type& type, const Default& value) {
  if (value.index() == 0) return true;
  const Type& scalar = type.kind == Kind::Vector ? type.element() : type;
  switch (scalar.kind) {
    case Kind::Bool:
      return value.index() == 1;
    case Kind::Int32: {
      const int64_t* integer = std::get_if<int64_t>(&value);
      return integer != nullptr && *integer == static_cast<int32_t>(*integer);
    }
    case Kind::Int64:
    case Kind::Timestamp:
    case Kind::Id:
      return value.index() == 2;
    case Kind::Float32:
    case Kind::Float64: {
      if (value.index() == 2) return true;
      const double* number = std::get_if<double>(&value);
      const double largest =
          scalar.kind == Kind::Float32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
      return number != nullptr && std::fabs(*number) <= largest;
    }
    case Kind::String: {
      const std::string* text = std::get_if<std::string>(&value);
      return text != nullptr && valid_utf8(*text);
    }
    default:
      return false;
  }
}

void check_field(const FieldSpec& field, std::unordered_set<std::string>& names) {
  if (!names.insert(field.name).second) throw EngineError("a field is named twice: `" + field.name + "`");
  check_type(field.name, field.type);
  if (!suits(field.type, field.fallback))
    throw EngineError("the default of `" + field.name + "` is not " + field.type.text());
}

// Each column as a list, whose row i has the rows from offsets[i] to offsets[i + 1].
void nest(std::vector<Column>& columns, const int32_t* offsets, int64_t num_rows, Arena& arena) {
  for (Column& column : columns) {
    Column list;
    list.layout = Layout::List;
    list.length = num_rows;
    list.offsets = offsets;
    list.child = place(column, arena);
    column = list;
  }
}

Type list_of(const Type& element) { return Type{Kind::List, false, 0, {element}}; }

// The columns in the order in which `RowSink::finish` gives them.
std::vector<NamedType> columns_of(const std::vector<FieldSpec>& fields, const std::vector<SequenceSpec>& sequences) {
  std::vector<NamedType> columns;
  for (const FieldSpec& field : fields) {
    columns.push_back({field.name, field.type});
    Type& type = columns.back().type;
    if (type.kind == Kind::List || type.kind == Kind::Map) type.nullable = false;
  }
  for (const SequenceSpec& sequence : sequences) {
    for (const FieldSpec& member : sequence.members) columns.push_back({member.name, list_of(member.type)});
  }
  return columns;
}

}  // namespace

RowSink::RowSink(const std::string& prefix, const std::vector<FieldSpec>& fields,
                 const std::vector<SequenceSpec>& sequences, Intake& intake)
    : Sink(prefix),
      field_specs_(fields),
      sequence_specs_(sequences),
      intake_(intake),
      name_start_(prefix.size() + 1),
      fields_(fields.size()) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].type.kind != Kind::Map) field(i);
  }
  for (const SequenceSpec& sequence : sequences) sequences_.push_back(std::make_unique<SequenceSink>(sequence, intake));
}

ColumnSink& RowSink::field(size_t at) {
  if (fields_[at] == nullptr) fields_[at] = make_sink(field_specs_[at], field_specs_[at].type, false, intake_);
  return *fields_[at];
}

bool RowSink::is_map(int index) const {
  const auto at = static_cast<size_t>(index);
  return at < fields_.size() && field_specs_[at].type.kind == Kind::Map;
}

void RowSink::set_column(int index, const Column& column) {
  if (set_.empty()) set_.resize(fields_.size());
  set_[static_cast<size_t>(index)] = column;
}

Sink& RowSink::member(int index) {
  const auto at = static_cast<size_t>(index);
  if (at < fields_.size()) return field(at);
  return *sequences_[at - fields_.size()];
}

ColumnSink* RowSink::column(int index) {
  const auto at = static_cast<size_t>(index);
  return at < fields_.size() ? &field(at) : nullptr;
}

int RowSink::member_index(std::string_view name) const {
  for (size_t i = 0; i < field_specs_.size(); ++i) {
    if (std::string_view(field_specs_[i].name).substr(name_start_) == name) return static_cast<int>(i);
  }
  for (size_t i = 0; i < sequence_specs_.size(); ++i) {
    if (std::string_view(sequence_specs_[i].name).substr(name_start_) == name) {
      return static_cast<int>(fields_.size() + i);
    }
  }
  return -1;
}

void RowSink::end_member(int index) {
  const auto at = static_cast<size_t>(index);
  if (at >= fields_.size()) {
    SequenceSink& sequence = *sequences_[at - fields_.size()];
    if (sequence.rows() == rows_) sequence.null();
    if (sequence.rows() != rows_ + 1) throw BadValue("`" + sequence.name() + "` is given twice");
    return;
  }
  ColumnSink& column = field(at);
  if (column.rows() == rows_) column.null();
  if (column.rows() != rows_ + 1) throw BadValue("`" + column.name() + "` is given twice");
  if (column.last_is_null() && field_specs_[at].required()) {
    throw BadValue("`" + column.name() + "` is missing, and has no default");
  }
}

void RowSink::end_struct() {
  for (int i = 0; i < member_count(); ++i) end_member(i);
  ++rows_;
}

void RowSink::truncate(int64_t rows) {
  set_.clear();
  for (auto& field : fields_) {
    if (field != nullptr) field->truncate(rows);
  }
  for (auto& sequence : sequences_) sequence->truncate(rows);
  rows_ = rows;
}

std::vector<Column> RowSink::finish() {
  std::vector<Column> columns;
  columns.reserve(fields_.size());
  for (size_t i = 0; i < fields_.size(); ++i) {
    const bool is_set = !set_.empty() && set_[i].child != nullptr;
    columns.push_back(is_set ? set_[i] : field(i).finish());
  }
  for (const auto& sequence : sequences_) {
    for (const Column& list : sequence->finish()) columns.push_back(list);
  }
  return columns;
}

RowReader::RowReader(std::string prefix, std::vector<FieldSpec> fields, std::vector<SequenceSpec> sequences)
    : prefix_(std::move(prefix)), fields_(std::move(fields)), sequences_(std::move(sequences)) {
  std::unordered_set<std::string> names;
  for (const FieldSpec& field : fields_) {
    check_field(field, names);
    if (field.required() && must_be_given_.empty()) must_be_given_ = field.name;
  }
  for (const SequenceSpec& sequence : sequences_) {
    if (sequence.members.empty()) throw EngineError("a sequence has no fields: `" + sequence.name + "`");
    if (!names.insert(sequence.name).second) throw EngineError("a field is named twice: `" + sequence.name + "`");
    for (const FieldSpec& member : sequence.members) check_field(member, names);
  }
  std::vector<NamedType> columns = columns_of(fields_, sequences_);
  form_ = std::make_shared<const Form>(columns);
  for (NamedType& column : columns) column.type = list_of(column.type);
  list_form_ = std::make_shared<const Form>(std::move(columns));
}

Batch RowReader::read_arrow(const ArrowSchema& schema, const ArrowArray& array) {
  auto arena = batch_memory();
  Intake intake{*arena};
  RowSink row(prefix_, fields_, sequences_, intake);
  read_structs(schema, array, row);
  invalid_text_total_ += intake.invalid_texts;
  return Batch(array.length, form_, row.finish(), arena);
}

Batch RowReader::read_arrow_lists(const ArrowSchema& schema, const ArrowArray& array) {
  auto arena = batch_memory();
  Intake intake{*arena};
  RowSink row(prefix_, fields_, sequences_, intake);
  const int32_t* offsets = read_struct_lists(schema, array, row, *arena);
  invalid_text_total_ += intake.invalid_texts;
  std::vector<Column> columns = row.finish();
  nest(columns, offsets, array.length, *arena);
  return Batch(array.length, list_form_, std::move(columns), arena);
}

void RowReader::add_schema(uint64_t fingerprint, std::string_view plan) {
  Arena arena;
  Intake intake{arena};
  RowSink row(prefix_, fields_, sequences_, intake);
  auto read = std::make_shared<const Writer>(plan, row);
  const std::lock_guard lock(mutex_);
  auto larger = std::make_shared<Writers>(*writers_);
  (*larger)[fingerprint] = std::move(read);
  writers_ = std::move(larger);
}

std::shared_ptr<const RowReader::Writers> RowReader::writers() const {
  const std::lock_guard lock(mutex_);
  return writers_;
}

// Rows into the columns of one batch.
class RowReader::Reading {
 public:
  // `quick`: by steps, where there are some.
  Reading(const RowReader& reader, int64_t rows, bool quick, bool in_slack)
      : quick_(quick),
        in_slack_(in_slack),
        intake_{*memory_, std::min(rows, kExpectedRows)},
        row_(reader.prefix_, reader.fields_, reader.sequences_, intake_),
        writers_(reader.writers()),
        targets_(row_) {
    if (!reader.must_be_given_.empty()) {
      throw EngineError("`" + reader.must_be_given_ + "` has no default, so a missing row cannot be read");
    }
    result_.statuses.reserve(static_cast<size_t>(intake_.expected_rows));
  }

  void add(std::span<const std::optional<std::string_view>> rows) {
    for (; !rows.empty(); rows = rows.subspan(std::min(rows.size(), kLookedAtOnce))) {
      add_some(rows.first(std::min(rows.size(), kLookedAtOnce)));
      right_ = right_ && (!quick_ || targets_.new_texts_are_valid());
    }
  }

  // False: a text is not UTF-8; which one, and what it reads as, the sinks say.
  bool is_right() const { return right_; }
  int64_t invalid_texts() const { return intake_.invalid_texts; }
  Read finish() && {
    std::vector<Column> columns = row_.finish();
    return {std::move(result_), std::move(columns), std::move(memory_)};
  }

 private:
  // Rows whose texts are looked at while they are at hand.
  static constexpr size_t kLookedAtOnce = 128;

  void add_some(std::span<const std::optional<std::string_view>> rows) {
    for (const std::optional<std::string_view>& row : rows) {
      const Writer* writer = nullptr;
      const RowStatus status = look_at(row, writer);
      if (writer != block_writer_ || block_.size() == at_once_) read_block();
      if (writer == nullptr) {
        end_row(status);
      } else {
        block_writer_ = writer;
        block_.push_back(row->substr(kHeader));
      }
    }
    read_block();
  }

  // What is seen of a row before it is read; `writer` where it is to be read.
  RowStatus look_at(const std::optional<std::string_view>& row, const Writer*& writer) {
    if (!row.has_value()) return RowStatus::Missing;
    if (row->size() < kHeader || !row->starts_with(kMarker)) return RowStatus::Undecodable;
    uint64_t fingerprint;
    std::memcpy(&fingerprint, row->data() + kMarker.size(), sizeof fingerprint);
    writer = writer_of(fingerprint);
    if (writer == nullptr && std::ranges::find(result_.unknown, fingerprint) == result_.unknown.end()) {
      result_.unknown.push_back(fingerprint);
    }
    return writer == nullptr ? RowStatus::UnknownSchema : RowStatus::Ok;
  }

  void end_row(RowStatus status) {
    if (status != RowStatus::Ok) row_.null();
    result_.statuses.push_back(status);
    ++result_.counts[static_cast<size_t>(status)];
  }

  // The rows of the block: together, or, where one of them is given up, each by itself; then those that come, too.
  void read_block() {
    if (block_.empty()) return;
    if (quick_ && !in_slack_) copy_in_slack();
    if (block_.size() > 1 && by_steps(block_)) {
      for (size_t i = 0; i < block_.size(); ++i) end_row(RowStatus::Ok);
    } else {
      if (block_.size() > 1) at_once_ = 1;
      for (const std::string_view body : block_) end_row(read(body));
    }
    block_.clear();
  }

  RowStatus read(std::string_view body) {
    if (by_steps({&body, 1})) return RowStatus::Ok;
    const int64_t before = row_.rows();
    try {
      block_writer_->plan.decode(body, row_);
      return RowStatus::Ok;
    } catch (const BadValue&) {
      row_.truncate(before);
      return RowStatus::Undecodable;
    }
  }

  // False: they were given up, and nothing of them is held.
  bool by_steps(std::span<const std::string_view> bodies) {
    if (!quick_) return false;
    const int64_t before = row_.rows();
    try {
      if (block_writer_->steps.read(bodies, targets_)) return true;
    } catch (const BadValue&) {  // which the plan says again
    }
    row_.truncate(before);
    return false;
  }

  const Writer* writer_of(uint64_t fingerprint) {
    if (last_ == nullptr || fingerprint != last_fingerprint_) {
      const auto found = writers_->find(fingerprint);
      if (found == writers_->end()) return nullptr;
      last_ = found->second.get();
      last_fingerprint_ = fingerprint;
    }
    return last_;
  }

  // Puts the bodies of the block where bytes behind them may be read.
  void copy_in_slack() {
    size_t size = 0;
    for (const std::string_view body : block_) size += body.size() + RowSteps::kSlack;
    if (copied_.size() < size) copied_.resize(size * 2);
    char* to = copied_.data();
    for (std::string_view& body : block_) {
      std::memcpy(to, body.data(), body.size());
      body = {to, body.size()};
      to += body.size() + RowSteps::kSlack;
    }
  }

  const bool quick_;
  const bool in_slack_;
  std::shared_ptr<Arena> memory_ = batch_memory();
  Intake intake_;
  RowSink row_;
  const std::shared_ptr<const Writers> writers_;
  RowSteps::Targets targets_;
  AvroRows result_;
  bool right_ = true;
  const Writer* last_ = nullptr;
  uint64_t last_fingerprint_ = 0;
  std::vector<std::string_view> block_;  // bodies that are to be read, of one writer
  const Writer* block_writer_ = nullptr;
  size_t at_once_ = RowSteps::kAtOnce;
  std::vector<char> copied_;
};

RowReading::RowReading(RowReader& reader, int64_t rows) : reader_(reader), rows_(rows) {}
RowReading::RowReading(RowReading&&) noexcept = default;
RowReading::~RowReading() = default;

void RowReading::add(std::span<const std::optional<std::string_view>> rows) {
  given_ += std::ssize(rows);
  if (given_ > rows_) return;
  if (reading_ == nullptr) reading_ = std::make_unique<RowReader::Reading>(reader_, rows_, true, true);
  reading_->add(rows);
}

RowReader::Read RowReader::read_rows(const GivenRows& rows, RowReading* begun) {
  std::unique_ptr<Reading> reading;
  if (begun != nullptr && begun->ended_ && begun->given_ == begun->rows_ && begun->rows_ == std::ssize(rows.rows)) {
    reading = std::move(begun->reading_);
  }
  for (const bool quick : {true, false}) {
    if (reading == nullptr) {
      reading = std::make_unique<Reading>(*this, std::ssize(rows.rows), quick, rows.in_slack);
      reading->add(rows.rows);
    }
    if (reading->is_right()) break;
    reading = nullptr;
  }
  invalid_text_total_ += reading->invalid_texts();
  return std::move(*reading).finish();
}

AvroRows RowReader::read_avro(const GivenRows& rows, RowReading* begun) {
  Read read = read_rows(rows, begun);
  read.rows.batch = Batch(std::ssize(rows.rows), form_, std::move(read.columns), std::move(read.memory));
  return std::move(read.rows);
}

AvroRows RowReader::read_avro_lists(const GivenRows& rows, std::span<const int64_t> lengths, RowReading* begun) {
  const auto num_rows = static_cast<int64_t>(lengths.size());
  const int64_t total = std::ssize(rows.rows);
  std::vector<int32_t> ends;
  ends.reserve(lengths.size() + 1);
  int64_t end = 0;
  ends.push_back(0);
  for (const int64_t length : lengths) {
    if (length < 0 || length > total - end) throw EngineError("the lengths do not add up to the rows");
    end += length;
    ends.push_back(checked_count(end, prefix_));
  }
  if (end != total) throw EngineError("the lengths do not add up to the rows");
  Read read = read_rows(rows, begun);
  auto* offsets = read.memory->take<int32_t>(num_rows + 1);
  std::ranges::copy(ends, offsets);
  nest(read.columns, offsets, num_rows, *read.memory);
  read.rows.batch = Batch(num_rows, list_form_, std::move(read.columns), std::move(read.memory));
  return std::move(read.rows);
}

}  // namespace feat
