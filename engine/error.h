// The one exception of the engine: its message is for a person, lower case, without a final period.
#pragma once

#include <stdexcept>
#include <string>

namespace feat {

class EngineError : public std::runtime_error {
 public:
  // Messages quote what was read, which may be any bytes: those that are not UTF-8 become `?`.
  explicit EngineError(std::string message) : std::runtime_error(readable(std::move(message))) {}

 private:
  static std::string readable(std::string message);
};

}  // namespace feat
