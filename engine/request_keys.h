// The keys of a call, out of the bytes of its message (online/proto/featdsl/v1/scorer.proto): the long part of it,
// which else would become an object a key.
//
// Read is what is in order, as protobuf writes it: each entity once, its keys in one list. Of whatever is not nothing
// is read; then protobuf reads the message and says what is wrong, or finds it right after all.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/keys.h"

namespace feat {

struct RequestKeys {
  std::vector<std::pair<std::string, Keys>> by_entity;
  std::string rest;  // the message without them
};

// `field`: the number of its `map<string, Keys>`.
std::optional<RequestKeys> read_request_keys(std::string_view message, uint32_t field);

}  // namespace feat
