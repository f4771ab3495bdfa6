// The one exception of the engine: its message is for a person, lower case, without a final period.
#pragma once

#include <stdexcept>
#include <string>

namespace feat {

class EngineError : public std::runtime_error {
 public:
  explicit EngineError(const std::string& message) : std::runtime_error(message) {}
};

}  // namespace feat
