// The maps of one row, read by straight steps into memory that they share. A user's row may have a thousand of them: a
// sink for each, with columns that grow by themselves, would take longer than what is in them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "engine/arena.h"
#include "engine/column.h"
#include "engine/row_cursor.h"

namespace feat {

// Maps of texts to numbers or bools, or to such maps.
class MapsOfRow {
 public:
  static constexpr int64_t kMostBytes = int64_t{1} << 20;  // of a row: so much more memory is taken than is filled
  static bool takes(Layout values, int32_t depth) { return value_bytes(values) > 0 && depth <= kDeepest; }

  // For the maps of a row of such a size, up to so many.
  MapsOfRow(int64_t row_bytes, int64_t maps, Arena& arena);

  // The next map, `depth` of them one in the other, with such values, as a column of one row. `cap`: of how many
  // entries, -1 for any. False: it is not in order, or two entries have one key; then nothing more may be read.
  bool read(RowCursor& row, int32_t depth, Layout values, int64_t cap, Column& column);
  // One without entries.
  Column none(int32_t depth, Layout values);
  // Whether all keys are UTF-8.
  bool texts_are_valid() const;

 private:
  static constexpr int32_t kDeepest = 3;

  // The maps that lie in so many others: their keys, one map behind the other.
  struct Level {
    const uint8_t* first;  // byte of all
    // Where the next key goes, the next end of a key, and the next end of a map.
    uint8_t* key;
    int32_t* key_end;
    int32_t* map_end;
    // Of the map that is being read.
    const uint8_t* keys;
    const int32_t* key_ends;
    const int32_t* map_ends;
    int32_t count;
  };

  void begin(int32_t depth);
  bool entries(RowCursor& row, Level* level, int32_t below, Layout values);
  bool value(RowCursor& row, Layout layout);
  template <class T>
  bool put(T value);
  Column made(const Level* level, int32_t below, Layout values, int32_t maps, int32_t entries);

  std::array<Level, kDeepest> levels_{};
  std::byte* value_;  // where the next one goes
  const std::byte* values_ = nullptr;
  Column* child_;               // likewise
  bool begins_inside_ = false;  // a key does, in a character
};

}  // namespace feat
