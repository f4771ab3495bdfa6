// Reads rows of one source (or `request`, `candidate`) into columns. The rules are the sinks'
// (`engine/row_sink.h`); where rows come from is `engine/row_arrow.h` and `engine/row_codec.h`.
#pragma once

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
  const std::vector<FieldSpec>& field_specs_;
  const std::vector<SequenceSpec>& sequence_specs_;
  size_t name_start_;
  std::vector<std::unique_ptr<ColumnSink>> fields_;
  std::vector<std::unique_ptr<SequenceSink>> sequences_;
  int64_t rows_ = 0;
};

enum class RowStatus : uint8_t { Ok = 0, Missing = 1, Undecodable = 2, UnknownSchema = 3 };

struct AvroRows {
  Batch batch;
  std::vector<RowStatus> statuses;
  std::vector<uint64_t> unknown;  // fingerprints, each once
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
  // Avro single-object rows. All that is not Ok reads as a missing row.
  AvroRows read_avro(const GivenRows& rows);
  // The same, with `lengths[i]` rows making the lists of row i. Errors: EngineError if they do not add up.
  AvroRows read_avro_lists(const GivenRows& rows, std::span<const int64_t> lengths);

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
  class Reading;
  std::shared_ptr<const Writers> writers() const;
  AvroRows read_avro_into(const GivenRows& rows, const std::shared_ptr<Arena>& arena, std::vector<Column>& columns);

  std::string prefix_;
  std::vector<FieldSpec> fields_;
  std::vector<SequenceSpec> sequences_;
  std::shared_ptr<const Form> form_, list_form_;  // of the batches; as lists
  mutable std::mutex mutex_;
  std::shared_ptr<const Writers> writers_ = std::make_shared<Writers>();
  std::atomic<int64_t> invalid_text_total_ = 0;
};

}  // namespace feat
