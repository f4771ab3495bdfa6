// Rows of a batch as bytes, a piece a row, to be kept and put together again in any order.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/batch.h"
#include "engine/type.h"

namespace feat {

// So many bytes behind a packed row may be read.
inline constexpr int64_t kPackedSlack = 64;

// The bytes of some rows: row i lies from starts[i] to starts[i + 1].
struct PackedRows {
  std::vector<char> bytes;
  std::vector<int64_t> starts{0};

  int64_t size() const { return static_cast<int64_t>(starts.size()) - 1; }
  std::span<const char> row(int64_t i) const {
    const auto at = static_cast<size_t>(i);
    return {bytes.data() + starts[at], static_cast<size_t>(starts[at + 1] - starts[at])};
  }
};

// How the rows of batches of one form are packed. First, as int32, how many values each level of the columns without a
// fixed size has in this row; then what has the same size in every row, each part at its place; then the rest, part
// after part. Thread safe.
class PackedLayout {
 public:
  // Errors: EngineError when two columns have one name.
  explicit PackedLayout(std::vector<NamedType> columns);

  // Errors: EngineError when the batch is not of this form.
  PackedRows pack(const Batch& batch) const;
  // For reading rows of this layout without these columns, all of which have a fixed size. Errors: EngineError.
  PackedLayout without(std::span<const std::string> columns) const;
  // A batch of these rows, behind which there are kPackedSlack bytes, in this order; each may stand in it many times.
  Batch unpack(std::span<const char* const> rows) const;

 private:
  static constexpr int32_t kOne = -1;  // in place of a count: one a row

  // What is known of the values of one level of a type.
  struct Level {
    Layout layout;
    int32_t width = 0;  // of a Vector
    int64_t bytes = 0;  // of a value of fixed width
    bool nullable = false;
    int32_t count = kOne;  // of a text, list or map: which of a row's counts says how much is in it
    std::vector<Level> inside;
  };
  // A part of fixed size: `size` bytes at `place`, of a value (or the values of a vector), or its validity.
  struct Fixed {
    int64_t column;
    int64_t place;
    int64_t size;
    bool validity;
  };
  // A part of any size: as many values of `size` bytes as a row's count says, each `times`. `sizes`: they are those of
  // texts, lists or maps, which add up to that count.
  struct Loose {
    int32_t count;
    int64_t times;
    int64_t size;
    int32_t sizes = kOne;
  };
  class Packer;
  class Unpacker;

  static Level level_of(const Type& type);
  void place_columns();
  void place_loose(Level& level, int32_t count, int64_t times, bool top);

  std::vector<Level> levels_;
  std::vector<Fixed> fixed_;   // those of 8 bytes first
  std::vector<size_t> loose_;  // columns without a fixed size
  std::vector<Loose> parts_;   // theirs
  int32_t counts_ = 0;
  size_t words_ = 0;          // fixed parts of 8 bytes
  int64_t fixed_bytes_ = 0;   // with the counts before them
  int64_t fetched_from_ = 0;  // of a row, ahead of its turn
  int64_t fetched_bytes_ = 0;
  std::shared_ptr<const Form> form_;
};

}  // namespace feat
