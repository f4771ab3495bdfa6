#include "engine/mget_reply.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

namespace feat {

namespace {

constexpr int64_t kFirstRoom = 256 << 10;
constexpr int64_t kLeastRoom = 32 << 10;
constexpr int64_t kRowsExpected = 16'384;   // most that room is taken for before there are any
constexpr int64_t kLargestRow = 512 << 20;  // of Redis, unless it is told otherwise
constexpr size_t kLongestLine = 14;
constexpr int64_t kAhead = 2;  // commands, one of which is being answered

using Clock = std::chrono::steady_clock;

// How long may still be waited.
class Patience {
 public:
  Patience(double pause_s, double within_s) : pause_s_(pause_s), within_s_(within_s) {}

  // Until the socket can be read or written, as `events` says. Errors: what to tell when it cannot.
  std::optional<Received> wait_for(int socket, short events) const {
    double seconds = pause_s_;
    if (within_s_ >= 0) {
      const double left_s = within_s_ - std::chrono::duration<double>(Clock::now() - started_).count();
      if (left_s <= 0) return Received::TimedOut;
      seconds = seconds < 0 ? left_s : std::min(seconds, left_s);
    }
    pollfd waiting{socket, events, 0};
    const double ms = std::min(std::ceil(seconds * 1e3), 1e9);
    const int ready = ::poll(&waiting, 1, seconds < 0 ? -1 : static_cast<int>(ms));
    if (ready == 0) return Received::TimedOut;
    if (ready < 0 && errno != EINTR) return Received::Failed;
    return std::nullopt;
  }

 private:
  const double pause_s_, within_s_;
  const Clock::time_point started_ = Clock::now();
};

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK; }

std::optional<Received> send(int socket, std::string_view command, const Patience& patience) {
  while (!command.empty()) {
    const ssize_t put = ::send(socket, command.data(), command.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put >= 0) {
      command.remove_prefix(static_cast<size_t>(put));
    } else if (would_block()) {
      if (const auto failed = patience.wait_for(socket, POLLOUT)) return failed;
    } else if (errno != EINTR) {
      return errno == EPIPE || errno == ECONNRESET ? Received::Closed : Received::Failed;
    }
  }
  return std::nullopt;
}

}  // namespace

MgetReply::MgetReply(std::vector<int64_t> rows)
    : wanted_(std::move(rows)), memory_(batch_memory()), bytes_(*memory_, kFirstRoom) {
  const int64_t all = std::accumulate(wanted_.begin(), wanted_.end(), int64_t{0});
  places_.reserve(static_cast<size_t>(std::min(all, kRowsExpected)));
}

std::span<char> MgetReply::room() {
  bytes_.truncate(filled_);
  const int64_t free = std::max({kLeastRoom, kFirstRoom - filled_, filled_ / 2});
  return {bytes_.grow(free), static_cast<size_t>(free)};
}

MgetReply::State MgetReply::take(size_t bytes) {
  filled_ += static_cast<int64_t>(bytes);
  return go_on();
}

// A kind, perhaps a number, and an end of line.
MgetReply::State MgetReply::line(Line& found) const {
  const std::string_view left = bytes().substr(static_cast<size_t>(at_));
  size_t i = 0;
  const auto is = [&](char c) { return i < left.size() && left[i] == c; };
  if (left.empty()) return State::More;
  found.kind = left[i++];
  const bool negative = is('-');
  if (negative) ++i;
  const size_t first = i;
  found.number = 0;
  for (; i < left.size() && left[i] >= '0' && left[i] <= '9'; ++i) {
    if (i > kLongestLine) return State::Other;
    found.number = found.number * 10 + (left[i] - '0');
  }
  if (i == left.size()) return State::More;
  if (left[i] != '\r') return State::Other;
  if (++i == left.size()) return State::More;
  if (left[i] != '\n') return State::Other;
  const bool has_number = i - 1 > first;
  if (has_number != (found.kind != '_') || (negative && found.number != 1)) return State::Other;
  if (negative) found.number = -1;
  found.end = at_ + static_cast<int64_t>(i) + 1;
  return State::Whole;
}

MgetReply::State MgetReply::go_on() {
  for (;;) {
    if (left_ == 0) {
      ++answers_;
      left_ = -1;
    }
    if (left_ < 0 && answers_ == std::ssize(wanted_)) return at_ == filled_ ? State::Whole : State::Other;
    Line found;
    if (const State state = line(found); state != State::Whole) return state;
    if (left_ < 0) {
      if (found.kind != '*' || found.number != wanted_[static_cast<size_t>(answers_)]) return State::Other;
      left_ = found.number;
      at_ = found.end;
    } else if (found.kind == '_' || (found.kind == '$' && found.number < 0)) {
      places_.push_back({0, -1});
      --left_;
      at_ = found.end;
    } else if (found.kind == '$' && found.number <= kLargestRow) {
      const int64_t end = found.end + found.number;
      if (filled_ < end + 2) return State::More;
      if (bytes_[end] != '\r' || bytes_[end + 1] != '\n') return State::Other;
      places_.push_back({found.end, found.number});
      --left_;
      at_ = end + 2;
    } else {
      return State::Other;
    }
  }
}

StoredRows MgetReply::rows() && { return {memory_, bytes_.data(), std::move(places_)}; }

Received exchange(int socket, std::span<const MgetCommand> commands, MgetReply& reply, double pause_s, double within_s,
                  const std::function<void(const MgetReply&)>& look) {
  const Patience patience(pause_s, within_s);
  if (commands.empty()) return Received::Rows;
  char first;
  if (::recv(socket, &first, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || !would_block()) return Received::Unsent;
  int64_t sent = 0;
  for (;;) {
    for (; sent < std::min(std::ssize(commands), reply.num_answers() + kAhead); ++sent) {
      if (const auto failed = send(socket, commands[static_cast<size_t>(sent)].text, patience)) return *failed;
    }
    look(reply);
    const std::span<char> room = reply.room();
    const ssize_t got = ::recv(socket, room.data(), room.size(), MSG_DONTWAIT);
    if (got == 0) return Received::Closed;
    if (got > 0) {
      const MgetReply::State state = reply.take(static_cast<size_t>(got));
      if (state == MgetReply::State::Other) return Received::Other;
      if (state == MgetReply::State::Whole) {
        look(reply);
        return Received::Rows;
      }
    } else if (would_block()) {
      if (const auto failed = patience.wait_for(socket, POLLIN)) return *failed;
    } else if (errno != EINTR) {
      return errno == ECONNRESET ? Received::Closed : Received::Failed;
    }
  }
}

}  // namespace feat
