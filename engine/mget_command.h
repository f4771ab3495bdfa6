// Redis's MGET as it goes over the wire.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/keys.h"

namespace feat {

// Keys of a command: while the next is being answered, the rows of one are read.
inline constexpr int64_t kKeysAtOnce = 128;

// Keys, each of which stands behind the prefix.
struct PrefixedKeys {
  std::string prefix;
  Keys keys;
};

// An MGET of so many keys.
struct MgetCommand {
  std::string text;
  int64_t keys;
};

// MGETs of all keys, in their order: of at most so many each, none much larger than another.
std::vector<MgetCommand> mget_commands(std::span<const PrefixedKeys> wanted, int64_t most);

}  // namespace feat
