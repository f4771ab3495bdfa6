#include "engine/row_arrow.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "engine/arrow_values.h"

namespace feat {

namespace {

bool is_struct(const ArrowSchema& schema) {
  const std::string_view format = schema.format == nullptr ? "" : schema.format;
  return schema.dictionary == nullptr && (format == "+s" || format == "n");
}

// Gives `count` rows to the sink, field by field; `position(i)` is the i-th row's place among the structs,
// `where(i)` names it.
template <class Position, class Where>
void emit_rows(Structs& structs, RowSink& row, int64_t count, Position&& position, Where&& where) {
  std::vector<Values*> values(static_cast<size_t>(row.member_count()), nullptr);
  for (auto& member : structs.members()) values[static_cast<size_t>(member.index)] = member.values.get();
  for (int index = 0; index < row.member_count(); ++index) {
    Values* member = values[static_cast<size_t>(index)];
    for (int64_t i = 0; i < count; ++i) {
      row.set_rows(i);
      const int64_t at = position(i);
      try {
        if (member != nullptr && !structs.is_null(at)) member->emit(at + structs.offset());
        row.end_member(index);
      } catch (const BadValue& bad) {
        throw EngineError(where(i) + ": " + bad.what());
      }
    }
  }
  row.set_rows(count);
}

}  // namespace

void read_structs(const ArrowSchema& schema, const ArrowArray& array, RowSink& row) {
  ArrowColumn::of(schema, array, row.name());
  if (!is_struct(schema)) {
    throw EngineError("the rows of `" + row.name() + "` are not structs, the column holds " + shown(schema.format));
  }
  Structs structs(schema, array, row, 0);
  emit_rows(
      structs, row, structs.length(), [](int64_t i) { return i; },
      [](int64_t i) { return "row " + std::to_string(i); });
}

const int32_t* read_struct_lists(const ArrowSchema& schema, const ArrowArray& array, RowSink& row, Arena& arena) {
  const std::string_view format = ArrowColumn::of(schema, array, row.name()).format();
  int32_t* offsets = arena.take_zero<int32_t>(array.length + 1);
  if (format == "n" && schema.dictionary == nullptr) return offsets;
  const bool is_list =
      schema.dictionary == nullptr && format.starts_with("+") && schema.n_children == 1 && format != "+m";
  if (is_list) check_elements(schema, array, row);
  if (!is_list || !is_struct(*schema.children[0])) {
    throw EngineError("the rows of `" + row.name() + "` are not lists of structs, the column holds " + shown(format));
  }
  auto elements = std::make_unique<Structs>(*schema.children[0], *array.children[0], row, 0);
  Structs& structs = *elements;
  const std::unique_ptr<Lists> lists = make_lists(schema, array, row, std::move(elements));

  std::vector<int64_t> positions;
  for (int64_t i = 0; i < array.length; ++i) {
    if (!lists->is_null(i)) {
      const auto [start, end] = lists->range(i);
      for (int64_t at = start; at < end; ++at) positions.push_back(at);
      if (positions.size() > static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
        throw EngineError("`" + row.name() + "` has more than 2^31 - 1 rows in one batch; read fewer at once");
      }
    }
    offsets[i + 1] = static_cast<int32_t>(positions.size());
  }
  const auto row_of = [&](int64_t element) {
    const int32_t* after = std::upper_bound(offsets, offsets + array.length + 1, static_cast<int32_t>(element));
    const int64_t at = after - offsets - 1;
    return "row " + std::to_string(at) + ", element " + std::to_string(element - offsets[at]);
  };
  emit_rows(
      structs, row, static_cast<int64_t>(positions.size()),
      [&](int64_t i) { return positions[static_cast<size_t>(i)]; }, row_of);
  return offsets;
}

}  // namespace feat
