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
    : Sink(prefix), field_specs_(fields), sequence_specs_(sequences), name_start_(prefix.size() + 1) {
  for (const FieldSpec& field : fields) fields_.push_back(make_sink(field, field.type, false, intake));
  for (const SequenceSpec& sequence : sequences) sequences_.push_back(std::make_unique<SequenceSink>(sequence, intake));
}

Sink& RowSink::member(int index) {
  const auto at = static_cast<size_t>(index);
  if (at < fields_.size()) return *fields_[at];
  return *sequences_[at - fields_.size()];
}

ColumnSink* RowSink::column(int index) {
  const auto at = static_cast<size_t>(index);
  return at < fields_.size() ? fields_[at].get() : nullptr;
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
  ColumnSink& field = *fields_[at];
  if (field.rows() == rows_) field.null();
  if (field.rows() != rows_ + 1) throw BadValue("`" + field.name() + "` is given twice");
  if (field.last_is_null() && field_specs_[at].required()) {
    throw BadValue("`" + field.name() + "` is missing, and has no default");
  }
}

void RowSink::end_struct() {
  for (int i = 0; i < member_count(); ++i) end_member(i);
  ++rows_;
}

void RowSink::truncate(int64_t rows) {
  for (auto& field : fields_) field->truncate(rows);
  for (auto& sequence : sequences_) sequence->truncate(rows);
  rows_ = rows;
}

std::vector<Column> RowSink::finish() {
  std::vector<Column> columns;
  for (const auto& field : fields_) columns.push_back(field->finish());
  for (const auto& sequence : sequences_) {
    for (const Column& list : sequence->finish()) columns.push_back(list);
  }
  return columns;
}

RowReader::RowReader(std::string prefix, std::vector<FieldSpec> fields, std::vector<SequenceSpec> sequences)
    : prefix_(std::move(prefix)), fields_(std::move(fields)), sequences_(std::move(sequences)) {
  std::unordered_set<std::string> names;
  for (const FieldSpec& field : fields_) check_field(field, names);
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
  Reading(RowSink& row, const Writers& writers, bool quick, bool in_slack)
      : row_(row), writers_(writers), quick_(quick), in_slack_(in_slack), targets_(row) {}

  RowStatus read(const std::optional<std::string_view>& data, std::vector<uint64_t>& unknown) {
    if (!data.has_value()) return RowStatus::Missing;
    if (data->size() < kHeader || !data->starts_with(kMarker)) return RowStatus::Undecodable;
    uint64_t fingerprint;
    std::memcpy(&fingerprint, data->data() + kMarker.size(), sizeof fingerprint);
    const Writer* writer = writer_of(fingerprint);
    if (writer == nullptr) {
      if (std::ranges::find(unknown, fingerprint) == unknown.end()) unknown.push_back(fingerprint);
      return RowStatus::UnknownSchema;
    }
    const int64_t before = row_.rows();
    try {
      if (quick_ && writer->steps.read(in_slack(data->substr(kHeader)), targets_)) return RowStatus::Ok;
      if (quick_) row_.truncate(before);
      writer->plan.decode(data->substr(kHeader), row_);
      return RowStatus::Ok;
    } catch (const BadValue&) {
      row_.truncate(before);
      return RowStatus::Undecodable;
    }
  }

  bool is_right() const { return !quick_ || targets_.texts_are_valid(); }

 private:
  const Writer* writer_of(uint64_t fingerprint) {
    if (last_ == nullptr || fingerprint != last_fingerprint_) {
      const auto found = writers_.find(fingerprint);
      if (found == writers_.end()) return nullptr;
      last_ = found->second.get();
      last_fingerprint_ = fingerprint;
    }
    return last_;
  }

  // The body where bytes behind it may be read.
  std::string_view in_slack(std::string_view body) {
    if (in_slack_) return body;
    const size_t wanted = body.size() + RowSteps::kSlack;
    if (copied_.size() < wanted) copied_.resize(wanted * 2);
    std::memcpy(copied_.data(), body.data(), body.size());
    return {copied_.data(), body.size()};
  }

  RowSink& row_;
  const Writers& writers_;
  const bool quick_;
  const bool in_slack_;
  RowSteps::Targets targets_;
  const Writer* last_ = nullptr;
  uint64_t last_fingerprint_ = 0;
  std::vector<char> copied_;
};

AvroRows RowReader::read_avro(const GivenRows& rows) {
  auto arena = batch_memory();
  std::vector<Column> columns;
  AvroRows result = read_avro_into(rows, arena, columns);
  result.batch = Batch(std::ssize(rows.rows), form_, std::move(columns), arena);
  return result;
}

AvroRows RowReader::read_avro_into(const GivenRows& rows, const std::shared_ptr<Arena>& arena,
                                   std::vector<Column>& columns) {
  for (const FieldSpec& field : fields_) {
    if (field.required()) throw EngineError("`" + field.name + "` has no default, so a missing row cannot be read");
  }
  const std::shared_ptr<const Writers> known = writers();
  for (const bool quick : {true, false}) {
    Intake intake{*arena, std::min<int64_t>(std::ssize(rows.rows), kExpectedRows)};
    RowSink row(prefix_, fields_, sequences_, intake);
    Reading reading(row, *known, quick, rows.in_slack);
    AvroRows result;
    result.statuses.reserve(rows.rows.size());
    for (const auto& data : rows.rows) {
      const RowStatus status = reading.read(data, result.unknown);
      if (status != RowStatus::Ok) row.null();
      result.statuses.push_back(status);
    }
    if (!reading.is_right()) continue;  // a text is not UTF-8: which one, and what it reads as, the sinks say
    invalid_text_total_ += intake.invalid_texts;
    columns = row.finish();
    return result;
  }
  return {};
}

AvroRows RowReader::read_avro_lists(const GivenRows& rows, std::span<const int64_t> lengths) {
  const auto num_rows = static_cast<int64_t>(lengths.size());
  const int64_t total = std::ssize(rows.rows);
  auto arena = batch_memory();
  int32_t* offsets = arena->take<int32_t>(num_rows + 1);
  int64_t end = offsets[0] = 0;
  for (int64_t i = 0; i < num_rows; ++i) {
    const int64_t length = lengths[static_cast<size_t>(i)];
    if (length < 0 || length > total - end) throw EngineError("the lengths do not add up to the rows");
    end += length;
    offsets[i + 1] = checked_count(end, prefix_);
  }
  if (end != total) throw EngineError("the lengths do not add up to the rows");
  std::vector<Column> columns;
  AvroRows result = read_avro_into(rows, arena, columns);
  nest(columns, offsets, num_rows, *arena);
  result.batch = Batch(num_rows, list_form_, std::move(columns), arena);
  return result;
}

}  // namespace feat
