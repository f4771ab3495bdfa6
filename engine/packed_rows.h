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

// How the rows of batches of one form are packed. What has the same size in every row stands first, each at its
// place; then what has not, column after column: of each level validity, sizes, and what is inside. Thread safe.
class PackedLayout {
 public:
  // Errors: EngineError when two columns have one name.
  explicit PackedLayout(std::vector<NamedType> columns);

  // Errors: EngineError when the batch is not of this form.
  PackedRows pack(const Batch& batch) const;
  // A batch of these rows, behind which there are kPackedSlack bytes, in this order; each may stand in it many times.
  Batch unpack(std::span<const char* const> rows) const;

 private:
  // What is known of the values of one level of a type.
  struct Level {
    Layout layout;
    int32_t width = 0;  // of a Vector
    int64_t bytes = 0;  // of a value of fixed width
    bool nullable = false;
    std::vector<Level> inside;
  };
  // A part of fixed size: `size` bytes at `place`, of a value (or the values of a vector), or its validity.
  struct Fixed {
    int64_t column;
    int64_t place;
    int64_t size;
    bool validity;
  };
  class Packer;
  class Unpacker;

  static Level level_of(const Type& type);
  void place_columns();

  std::vector<Level> levels_;
  std::vector<Fixed> fixed_;
  std::vector<size_t> loose_;  // columns without a fixed size
  int64_t fixed_bytes_ = 0;
  int64_t fetched_bytes_ = 0;  // of a row, ahead of its turn
  std::shared_ptr<const Form> form_;
};

}  // namespace feat
