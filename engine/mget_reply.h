// The answers of Redis to MGETs, as they come in: one read of a socket after the other into one piece of memory, which
// then holds the rows. Whatever an answer says of its own size is believed only once the bytes are there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/arena.h"
#include "engine/mget_command.h"
#include "engine/stored_rows.h"

namespace feat {

class MgetReply {
 public:
  enum class State : uint8_t {
    More,   // bytes are missing
    Whole,  // the rows are there, and nothing behind them
    Other,  // an error, a push message, or something else that is not so many rows
  };

  // By MGET how many rows there are.
  explicit MgetReply(std::vector<int64_t> rows);

  // Where the next bytes go; never empty.
  std::span<char> room();
  // So many were put there.
  State take(size_t bytes);
  // All bytes that were taken.
  std::string_view bytes() const { return {bytes_.data(), static_cast<size_t>(filled_)}; }
  // How many answers are whole, and how many rows there are.
  int64_t num_answers() const { return answers_; }
  int64_t num_rows() const { return std::ssize(places_); }
  // One of these; until more bytes come in. Behind it Arena::kSlack bytes may be read.
  std::optional<std::string_view> row(int64_t i) const {
    const StoredRows::Place& place = places_[static_cast<size_t>(i)];
    if (place.size < 0) return std::nullopt;
    return bytes().substr(static_cast<size_t>(place.start), static_cast<size_t>(place.size));
  }
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

  const std::vector<int64_t> wanted_;
  std::shared_ptr<Arena> memory_;
  Growing<char> bytes_;  // and the room behind them
  int64_t filled_ = 0;
  int64_t at_ = 0;  // up to here it is understood
  int64_t answers_ = 0;
  int64_t left_ = -1;  // rows of the answer that has begun; -1 if none has
  std::vector<StoredRows::Place> places_;
};

enum class Received : uint8_t { Rows, Unsent, Other, Closed, TimedOut, Failed };

// Sends MGETs over a socket on which nothing is under way, and reads the replies; the next but one is sent when a reply
// is there, so that the server always has something to do. `look` may look at what there is: when commands were sent
// and nothing is there yet, and whenever there is more.
// `pause_s`: the longest wait for anything, `within_s` that for all of it; negative for none. Unsent: the socket is
// closed, or something is on it that nobody asked for. Failed leaves `errno`. Errors: those of `look`.
Received exchange(int socket, std::span<const MgetCommand> commands, MgetReply& reply, double pause_s, double within_s,
                  const std::function<void(const MgetReply&)>& look);

}  // namespace feat
