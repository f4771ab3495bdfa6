// Reads rows of one source (or `request`, `candidate`) into columns. The rules are the sinks'
// (`engine/row_sink.h`); where rows come from is `engine/row_arrow.h` and `engine/row_codec.h`.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/batch.h"
#include "engine/row_codec.h"
#include "engine/row_sequence.h"
#include "engine/row_sink.h"
#include "engine/row_steps.h"
#include "engine/stored_rows.h"

struct ArrowArray;
struct ArrowSchema;

namespace feat {

// A whole row: the fields and sequences of one struct.
class RowSink final : public Sink {
 public:
  RowSink(const std::string& prefix, const std::vector<FieldSpec>& fields, const std::vector<SequenceSpec>& sequences,
          Intake& intake);
  void null() override { end_struct(); }
  void begin_struct() override {}
  Sink& member(int index) override;
  // The sink of a field; null for a sequence.
  ColumnSink* column(int index);
  Arena& arena() { return intake_.arena; }
  // Whether it was begun for one row, so that the column of a map may be set, in place of what its sink reads.
  bool is_one() const { return intake_.expected_rows == 1; }
  bool is_map(int index) const;
  // Of a field.
  int64_t cap(int index) const { return field_specs_[static_cast<size_t>(index)].cap; }
  void set_column(int index, const Column& column);
  // Fields that were not given read as missing.
  void end_struct() override;
  int member_index(std::string_view name) const override;
  bool takes(Given given) const override { return given == Given::Struct; }
  std::string declared() const override { return "a row"; }

  int member_count() const { return static_cast<int>(fields_.size() + sequences_.size()); }
  // Ends one member's row, given or not. Errors: BadValue if it was given twice, or must be given.
  void end_member(int index);
  void truncate(int64_t rows);
  int64_t rows() const { return rows_; }
  void set_rows(int64_t rows) { rows_ = rows; }
  // The columns, of the fields and then of the sequences' members; they lie in the sinks' arena.
  std::vector<Column> finish();

 private:
  ColumnSink& field(size_t at);

  const std::vector<FieldSpec>& field_specs_;
  const std::vector<SequenceSpec>& sequence_specs_;
  Intake& intake_;
  size_t name_start_;
  std::vector<SinkPtr> fields_;  // those of maps are made when they are asked for
  std::vector<Column> set_;      // by field, a column that was set: then it has a child
  std::vector<std::unique_ptr<SequenceSink>> sequences_;
  int64_t rows_ = 0;
};

enum class RowStatus : uint8_t { Ok = 0, Missing = 1, Undecodable = 2, UnknownSchema = 3 };

struct AvroRows {
  Batch batch;
  std::vector<RowStatus> statuses;
  std::array<int64_t, 4> counts{};  // how many there are of each
  std::vector<uint64_t> unknown;    // fingerprints, each once
};

// Rows to be read, nullopt where there is none.
struct GivenRows {
  explicit GivenRows(std::span<const std::optional<std::string_view>> given) : rows(given) {}
  explicit GivenRows(const StoredRows& stored) : kept(static_cast<size_t>(stored.size())), in_slack(true) {
    for (int64_t i = 0; i < stored.size(); ++i) kept[static_cast<size_t>(i)] = stored[i];
    rows = kept;
  }
  GivenRows(const GivenRows&) = delete;
  GivenRows& operator=(const GivenRows&) = delete;

  std::vector<std::optional<std::string_view>> kept;
  std::span<const std::optional<std::string_view>> rows;
  bool in_slack = false;  // behind each, RowSteps::kSlack bytes may be read
};

class RowReading;

class RowReader {
 public:
  // Errors: EngineError for a name twice, a default that is not of its type, a type that cannot be read.
  RowReader(std::string prefix, std::vector<FieldSpec> fields, std::vector<SequenceSpec> sequences);

  // A struct array, one struct a row. Errors: EngineError naming row and field.
  Batch read_arrow(const ArrowSchema& schema, const ArrowArray& array);
  // A list of such structs a row; each column comes out as a list. A null list is empty.
  Batch read_arrow_lists(const ArrowSchema& schema, const ArrowArray& array);

  // A writer schema. Errors: EngineError for a plan that does not read, or does not suit the fields.
  void add_schema(uint64_t fingerprint, std::string_view plan);
  // Avro single-object rows. All that is not Ok reads as a missing row. `begun`: what may have read them already.
  AvroRows read_avro(const GivenRows& rows, RowReading* begun = nullptr);
  // The same, with `lengths[i]` rows making the lists of row i. Errors: EngineError if they do not add up.
  AvroRows read_avro_lists(const GivenRows& rows, std::span<const int64_t> lengths, RowReading* begun = nullptr);

  // Texts that were not UTF-8 and read as null, since construction.
  int64_t invalid_text_total() const { return invalid_text_total_; }

 private:
  // A writer schema: whatever its rows are, and how most of them are read.
  struct Writer {
    Writer(std::string_view data, RowSink& row) : plan(data, row), steps(plan, row) {}
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    const DecodePlan plan;
    const RowSteps steps;
  };
  using Writers = std::unordered_map<uint64_t, std::shared_ptr<const Writer>>;
  friend class RowReading;
  class Reading;
  // Rows that were read, and their columns, which lie in `memory`.
  struct Read {
    AvroRows rows;
    std::vector<Column> columns;
    std::shared_ptr<Arena> memory;
  };
  std::shared_ptr<const Writers> writers() const;
  Read read_rows(const GivenRows& rows, RowReading* begun);

  std::string prefix_;
  std::vector<FieldSpec> fields_;
  std::vector<SequenceSpec> sequences_;
  std::string must_be_given_;                     // the first field that is required, if any is
  std::shared_ptr<const Form> form_, list_form_;  // of the batches; as lists
  mutable std::mutex mutex_;
  std::shared_ptr<const Writers> writers_ = std::make_shared<Writers>();
  std::atomic<int64_t> invalid_text_total_ = 0;
};

// Reads the rows of one batch while they come in, for `RowReader::read_avro`. Not thread safe.
class RowReading {
 public:
  // So many rows. The reader outlives it.
  RowReading(RowReader& reader, int64_t rows);
  RowReading(RowReading&&) noexcept;
  ~RowReading();
  // The next rows, behind each of which RowSteps::kSlack bytes may be read.
  void add(std::span<const std::optional<std::string_view>> rows);
  // That these were all; what was read before it is not used.
  void end() { ended_ = true; }

 private:
  friend class RowReader;
  RowReader& reader_;
  int64_t rows_;
  int64_t given_ = 0;  // more than `rows_`, and what was read is not used
  bool ended_ = false;
  std::unique_ptr<RowReader::Reading> reading_;  // once there is a row
};

}  // namespace feat
