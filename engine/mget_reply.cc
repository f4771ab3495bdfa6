#include "engine/mget_reply.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>

namespace feat {

namespace {

constexpr int64_t kFirstRoom = 256 << 10;
constexpr int64_t kLeastRoom = 32 << 10;
constexpr int64_t kRowsExpected = 16'384;   // most that room is taken for before there are any
constexpr int64_t kLargestRow = 512 << 20;  // of Redis, unless it is told otherwise
constexpr size_t kLongestLine = 14;

using Clock = std::chrono::steady_clock;

// Whether there is something to read before the time is up; negative seconds: however long it takes. False with
// errno 0 when there is nothing.
bool wait_for(int socket, double seconds) {
  pollfd waiting{socket, POLLIN, 0};
  const double ms = std::ceil(seconds * 1e3);
  errno = 0;
  const int ready = ::poll(&waiting, 1, seconds < 0 ? -1 : static_cast<int>(std::min(ms, 1e9)));
  return ready > 0 || (ready < 0 && errno == EINTR);
}

}  // namespace

MgetReply::MgetReply(int64_t rows) : wanted_(rows), memory_(batch_memory()), bytes_(*memory_, kFirstRoom) {
  places_.reserve(static_cast<size_t>(std::min(rows, kRowsExpected)));
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
    if (begun_ && std::ssize(places_) == wanted_) return at_ == filled_ ? State::Whole : State::Other;
    Line found;
    if (const State state = line(found); state != State::Whole) return state;
    if (!begun_) {
      if (found.kind != '*' || found.number != wanted_) return State::Other;
      begun_ = true;
      at_ = found.end;
    } else if (found.kind == '_' || (found.kind == '$' && found.number < 0)) {
      places_.push_back({0, -1});
      at_ = found.end;
    } else if (found.kind == '$' && found.number <= kLargestRow) {
      const int64_t end = found.end + found.number;
      if (filled_ < end + 2) return State::More;
      if (bytes_[end] != '\r' || bytes_[end + 1] != '\n') return State::Other;
      places_.push_back({found.end, found.number});
      at_ = end + 2;
    } else {
      return State::Other;
    }
  }
}

StoredRows MgetReply::rows() && { return {memory_, bytes_.data(), std::move(places_)}; }

Received receive(int socket, MgetReply& reply, double pause_s, double within_s) {
  const Clock::time_point started = Clock::now();
  for (;;) {
    const std::span<char> room = reply.room();
    const ssize_t got = ::recv(socket, room.data(), room.size(), MSG_DONTWAIT);
    if (got == 0) return Received::Closed;
    if (got > 0) {
      const MgetReply::State state = reply.take(static_cast<size_t>(got));
      if (state == MgetReply::State::Whole) return Received::Rows;
      if (state == MgetReply::State::Other) return Received::Other;
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Received::Failed;
    double seconds = pause_s;
    if (within_s >= 0) {
      const double left_s = within_s - std::chrono::duration<double>(Clock::now() - started).count();
      if (left_s <= 0) return Received::TimedOut;
      seconds = seconds < 0 ? left_s : std::min(seconds, left_s);
    }
    if (!wait_for(socket, seconds)) return errno == 0 ? Received::TimedOut : Received::Failed;
  }
}

}  // namespace feat
