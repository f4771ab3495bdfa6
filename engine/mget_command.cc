#include "engine/mget_command.h"

#include <charconv>

namespace feat {

namespace {

constexpr size_t kHead = 32;  // what stands around a key, and around all, at most

void append_size(std::string& command, char kind, size_t size) {
  char line[24] = {kind};
  char* end = std::to_chars(line + 1, line + sizeof line - 2, size).ptr;
  *end++ = '\r';
  *end++ = '\n';
  command.append(line, end);
}

}  // namespace

std::vector<MgetCommand> mget_commands(std::span<const PrefixedKeys> wanted, int64_t most) {
  int64_t count = 0;
  size_t bytes = 0;
  for (const PrefixedKeys& some : wanted) {
    count += std::ssize(some.keys);
    bytes += some.keys.size() * (some.prefix.size() + kHead) + some.keys.num_bytes();
  }
  const int64_t parts = (count + most - 1) / most;
  std::vector<MgetCommand> commands;
  int64_t done = 0;
  const auto begin = [&] {
    const auto number = std::ssize(commands) + 1;
    MgetCommand& command = commands.emplace_back();
    command.keys = count * number / parts - done;
    command.text.reserve(bytes / static_cast<size_t>(parts) + 4 * kHead);
    append_size(command.text, '*', static_cast<size_t>(command.keys) + 1);
    command.text.append("$4\r\nMGET\r\n");
    done += command.keys;
  };
  int64_t written = 0;
  for (const PrefixedKeys& some : wanted) {
    for (size_t i = 0; i < some.keys.size(); ++i) {
      if (written++ == done) begin();
      std::string& text = commands.back().text;
      const std::string_view key = some.keys[i];
      append_size(text, '$', some.prefix.size() + key.size());
      text.append(some.prefix).append(key).append("\r\n");
    }
  }
  return commands;
}

}  // namespace feat
