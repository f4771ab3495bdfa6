// Any bytes as a call's message: its keys are read, or left to protobuf. What is read must bear what a call does with
// it.
#include <cstdlib>

#include "engine/request_keys.h"

namespace {

constexpr uint32_t kKeysField = 2;  // of ScoreRequest

void expect(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view message(reinterpret_cast<const char*>(data), size);
  const auto found = feat::read_request_keys(message, kKeysField);
  if (!found) return 0;
  expect(found->rest.size() <= size);
  for (const auto& [entity, keys] : found->by_entity) {
    const feat::Keys::Distinct distinct = keys.distinct();
    expect(distinct.which.size() == keys.size());
    const feat::Keys first = keys.take(distinct.first);
    for (size_t i = 0; i < keys.size(); ++i) expect(first[static_cast<size_t>(distinct.which[i])] == keys[i]);
    const feat::Keys* beside[] = {&keys, &keys};
    expect(feat::Keys::together(beside).size() == keys.size());
    for (const char* type : {"string", "int64", "int32"}) {
      try {
        expect(keys.column("x", feat::Type::parse(type)).num_rows() == static_cast<int64_t>(keys.size()));
      } catch (const feat::EngineError&) {
        continue;
      }
    }
  }
  return 0;
}
