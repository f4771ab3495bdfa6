// The answer of Redis to an MGET, as it comes in: one read of a socket after the other into one piece of memory, which
// then holds the rows. Whatever the answer says of its own size is believed only once the bytes are there.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/arena.h"
#include "engine/stored_rows.h"

namespace feat {

class MgetReply {
 public:
  enum class State : uint8_t {
    More,   // bytes are missing
    Whole,  // the rows are there, and nothing behind them
    Other,  // an error, a push message, or something else that is not so many rows
  };

  explicit MgetReply(int64_t rows);

  // Where the next bytes go; never empty.
  std::span<char> room();
  // So many were put there.
  State take(size_t bytes);
  // All bytes that were taken.
  std::string_view bytes() const { return {bytes_.data(), static_cast<size_t>(filled_)}; }
  // Once it is Whole.
  StoredRows rows() &&;

 private:
  struct Line {
    char kind;
    int64_t number;  // -1 where there is none
    int64_t end;
  };
  // What stands at `at_`. More: not all of it is there.
  State line(Line& found) const;
  State go_on();

  const int64_t wanted_;
  std::shared_ptr<Arena> memory_;
  Growing<char> bytes_;  // and the room behind them
  int64_t filled_ = 0;
  int64_t at_ = 0;  // up to here it is understood
  bool begun_ = false;
  std::vector<StoredRows::Place> places_;
};

enum class Received : uint8_t { Rows, Unsent, Other, Closed, TimedOut, Failed };

// Sends a command over a socket on which nothing is under way, and reads the reply. `pause_s`: the longest wait for
// anything, `within_s` that for all of it; negative for none. Unsent: the socket is closed, or something is on it
// that nobody asked for. Failed leaves `errno`.
Received exchange(int socket, std::string_view command, MgetReply& reply, double pause_s, double within_s);

}  // namespace feat
