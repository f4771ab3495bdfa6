// Any bytes as rows, with the plan of their schema and what is declared: refused with an EngineError, or read.
//
//   u16 size, declaration: a line `name|type|sequence` a field (sequence may be empty)
//   u16 size, decode plan (engine/row_codec.h)
//   the body of a row
#include <cstring>

#include "engine/fuzz/values.h"
#include "engine/row_reader.h"

namespace {

std::string_view piece(std::string_view& rest) {
  uint16_t size = 0;
  if (rest.size() < sizeof size) return {};
  std::memcpy(&size, rest.data(), sizeof size);
  rest.remove_prefix(sizeof size);
  const std::string_view found = rest.substr(0, size);
  rest.remove_prefix(found.size());
  return found;
}

std::string_view until(std::string_view& rest, char mark) {
  const std::string_view found = rest.substr(0, rest.find(mark));
  rest.remove_prefix(std::min(rest.size(), found.size() + 1));
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::string_view declared = piece(rest);
  const std::string_view plan = piece(rest);
  try {
    std::vector<feat::FieldSpec> fields;
    std::vector<feat::SequenceSpec> sequences;
    while (!declared.empty()) {
      std::string_view line = until(declared, '\n');
      const std::string_view name = until(line, '|'), type = until(line, '|');
      feat::FieldSpec field{"s." + std::string(name), feat::Type::parse(type), {}, -1};
      if (!feat::fuzz::is_small(field.type)) return 0;
      if (line.empty()) {
        fields.push_back(std::move(field));
        continue;
      }
      const std::string wanted = "s." + std::string(line);
      field.name = wanted + "." + std::string(name);
      if (sequences.empty() || sequences.back().name != wanted) sequences.push_back({wanted, {}, 3});
      sequences.back().members.push_back(std::move(field));
    }
    feat::RowReader reader("s", fields, sequences);
    reader.add_schema(1, plan);
    const std::string row = std::string("\xC3\x01\x01\0\0\0\0\0\0\0", 10) + std::string(rest);
    const std::optional<std::string_view> rows[] = {row, std::nullopt, std::string_view(row).substr(0, row.size() / 2),
                                                    row};
    reader.read_avro(feat::GivenRows(rows));
    const int64_t lengths[] = {3, 0, 1};
    reader.read_avro_lists(feat::GivenRows(rows), lengths);
    auto memory = std::make_shared<feat::Arena>();
    const auto size = static_cast<int64_t>(row.size());
    char* stored = memory->take<char>(size);
    std::memcpy(stored, row.data(), row.size());
    reader.read_avro(feat::GivenRows(feat::StoredRows(memory, stored, {{0, size}, {0, -1}, {0, size / 2}})));
  } catch (const feat::EngineError&) {
    return 0;
  }
  return 0;
}
