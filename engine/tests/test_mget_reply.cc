// Answers of Redis to an MGET: whole, in any pieces, cut, and such as are none.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/mget_reply.h"
#include "engine/tests/check.h"

namespace feat {
namespace {

using State = MgetReply::State;

State put(MgetReply& reply, std::string_view bytes) {
  const std::span<char> room = reply.room();
  CHECK(room.size() >= bytes.size());
  std::memcpy(room.data(), bytes.data(), bytes.size());
  return reply.take(bytes.size());
}

std::string bulk(std::string_view row) { return "$" + std::to_string(row.size()) + "\r\n" + std::string(row) + "\r\n"; }

const std::string kThree = "*3\r\n" + bulk("one") + "$-1\r\n" + bulk(std::string("a\r\n$1\0", 6));

void check_three(const StoredRows& rows) {
  CHECK(rows.size() == 3);
  CHECK(rows[0] == "one");
  CHECK(!rows[1].has_value());
  CHECK(rows[2] == std::string_view("a\r\n$1\0", 6));
}

TEST(a_reply_at_once_and_in_two_pieces) {
  for (size_t cut = 0; cut <= kThree.size(); ++cut) {
    MgetReply reply({3});
    const State first = put(reply, std::string_view(kThree).substr(0, cut));
    CHECK(first == (cut == kThree.size() ? State::Whole : State::More));
    if (first == State::More) CHECK(put(reply, std::string_view(kThree).substr(cut)) == State::Whole);
    check_three(std::move(reply).rows());
  }
}

TEST(a_reply_byte_by_byte_with_nulls_of_resp3) {
  const std::string all = "*2\r\n_\r\n" + bulk("");
  MgetReply reply({2});
  for (size_t i = 0; i + 1 < all.size(); ++i) CHECK(put(reply, all.substr(i, 1)) == State::More);
  CHECK(put(reply, all.substr(all.size() - 1)) == State::Whole);
  const StoredRows rows = std::move(reply).rows();
  CHECK(!rows[0].has_value() && rows[1] == "");
}

TEST(parts_of_rows_outlive_the_whole) {
  StoredRows part;
  {
    MgetReply reply({3});
    CHECK(put(reply, kThree) == State::Whole);
    part = std::move(reply).rows().part(1, 2).part(1, 1);
  }
  CHECK(part.size() == 1 && part[0]->size() == 6);
}

TEST(what_is_no_such_reply_is_told) {
  for (const char* other : {"-LOADING Redis is loading\r\n",
                            "-",
                            ">3\r\n",
                            "*2\r\n",
                            "*4\r\n",
                            "*-1\r\n",
                            "*\r\n",
                            "$3\r\n",
                            "+OK\r\n",
                            "\r\n",
                            "*3\r\n*1\r\n",
                            "*3\r\n$-2\r\n",
                            "*3\r\n$\r\n",
                            "*3\r\n$x\r\n",
                            "*3\r\n$1 \r\n",
                            "*3\r\n$1\n",
                            "*3\r\n$1\r\nab\r\n",
                            "*3\r\n$1\r\na\rb",
                            "*3\r\n:1\r\n",
                            "*3\r\n-ERR\r\n",
                            "*3\r\n_1\r\n",
                            "*3\r\n$99999999999999999999\r\n",
                            "*3\r\n$536870913\r\n",
                            "*3\r\n$-0\r\n",
                            "*00000000000000000003\r\n"}) {
    MgetReply reply({3});
    const State state = put(reply, other);
    CHECK(state == State::Other || (state == State::More && std::string_view(other) == "-"));
    CHECK(reply.bytes() == other);
  }
}

TEST(what_follows_a_reply_is_kept) {
  MgetReply reply({3});
  CHECK(put(reply, kThree + ">2\r\n") == State::Other);
  CHECK(reply.bytes() == kThree + ">2\r\n");
}

TEST(a_size_is_not_believed) {
  // Half a gigabyte is said to come: room is made for what came.
  MgetReply reply({1});
  CHECK(put(reply, "*1\r\n$536870912\r\nabc") == State::More);
  CHECK(reply.room().size() <= 1 << 20);
}

TEST(large_replies_in_random_pieces) {
  std::mt19937_64 random(1);
  std::string all = "*50\r\n";
  std::vector<std::string> wanted;
  for (int i = 0; i < 50; ++i) {
    wanted.emplace_back(random() % 100'000, static_cast<char>('a' + i % 26));
    all += bulk(wanted.back());
  }
  MgetReply reply({50});
  size_t at = 0;
  for (State state = State::More; state == State::More;) {
    const std::span<char> room = reply.room();
    const size_t taken = std::min({room.size(), all.size() - at, static_cast<size_t>(random() % 50'000)});
    std::memcpy(room.data(), all.data() + at, taken);
    at += taken;
    state = reply.take(taken);
    CHECK(state != State::Other);
  }
  CHECK(at == all.size());
  const StoredRows rows = std::move(reply).rows();
  for (int64_t i = 0; i < 50; ++i) CHECK(rows[i] == wanted[static_cast<size_t>(i)]);
}

TEST(any_bytes_are_no_harm) {
  std::mt19937_64 random(2);
  const std::string letters = "*$_-1239\r\n>:";
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = random() % 2 ? "*2\r\n" : "";
    for (uint64_t left = random() % 24; left > 0; --left) bytes.push_back(letters[random() % letters.size()]);
    MgetReply reply({2});
    State state = State::More;
    for (size_t at = 0; at < bytes.size() && state == State::More;) {
      const size_t size = std::min<size_t>(bytes.size() - at, 1 + random() % 8);
      state = put(reply, std::string_view(bytes).substr(at, size));
      at += size;
    }
    if (state == State::Whole) CHECK(std::move(reply).rows().size() == 2);
  }
}

Received ask(int socket, const std::string& command, MgetReply& reply, double pause_s, double within_s) {
  const MgetCommand commands[] = {{command, 0}};
  return exchange(socket, commands, reply, pause_s, within_s, [](const MgetReply&) {});
}

class Ends {
 public:
  Ends() { CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) == 0); }
  ~Ends() {
    close_server();
    ::close(ends_[0]);
  }
  int client() const { return ends_[0]; }
  int server() const { return ends_[1]; }
  // Waits for a command.
  void hear() const {
    char heard[16];
    CHECK(::read(ends_[1], heard, sizeof heard) > 0);
  }
  void send(std::string_view bytes) const { CHECK(::write(ends_[1], bytes.data(), bytes.size()) == std::ssize(bytes)); }
  void close_server() {
    if (ends_[1] >= 0) ::close(ends_[1]);
    ends_[1] = -1;
  }

 private:
  int ends_[2] = {-1, -1};
};

TEST(a_reply_off_a_socket) {
  Ends ends;
  for (int again = 0; again < 2; ++again) {
    std::thread server([&] {
      ends.hear();
      for (const char byte : kThree) ends.send({&byte, 1});
    });
    MgetReply reply({3});
    CHECK(ask(ends.client(), "command", reply, 10, 10) == Received::Rows);
    server.join();
    check_three(std::move(reply).rows());
  }
}

TEST(answers_to_several_commands_while_others_are_on_their_way) {
  Ends ends;
  const MgetCommand commands[] = {{"a", 2}, {"b", 1}, {"c", 3}};
  const std::string answers[] = {"*2\r\n" + bulk("one") + "$-1\r\n", "*1\r\n" + bulk("two"), kThree};
  std::thread server([&] {
    char heard[3];
    CHECK(::recv(ends.server(), heard, 2, MSG_WAITALL) == 2);
    CHECK(::recv(ends.server(), heard, 1, MSG_DONTWAIT) < 0);  // the third waits for the first answer
    ends.send(answers[0]);
    CHECK(::recv(ends.server(), heard, 1, MSG_WAITALL) == 1 && heard[0] == 'c');
    ends.send(answers[1].substr(0, 5));
    ends.send(answers[1].substr(5) + answers[2]);
  });
  MgetReply reply({2, 1, 3});
  std::vector<std::optional<std::string>> arrived;
  const auto look = [&](const MgetReply& some) {
    for (int64_t i = std::ssize(arrived); i < some.num_rows(); ++i) arrived.emplace_back(some.row(i));
  };
  CHECK(exchange(ends.client(), commands, reply, 10, 10, look) == Received::Rows);
  server.join();
  const StoredRows rows = std::move(reply).rows();
  CHECK(rows.size() == 6 && arrived.size() == 6);
  CHECK(rows[0] == "one" && !rows[1].has_value() && rows[2] == "two" && rows[3] == "one");
  for (int64_t i = 0; i < 6; ++i) CHECK(arrived[static_cast<size_t>(i)] == rows[i]);
  CHECK(exchange(ends.client(), {}, reply, 10, 10, look) == Received::Rows);
}

TEST(several_answers_are_as_long_as_was_asked) {
  for (const std::string second : {"*2\r\n", "$1\r\n", "-ERR\r\n"}) {
    MgetReply reply({1, 1});
    CHECK(put(reply, "*1\r\n" + bulk("one")) == State::More);
    CHECK(reply.num_answers() == 1 && reply.num_rows() == 1);
    CHECK(put(reply, second) == State::Other);
  }
}

TEST(a_large_command_waits_for_room) {
  Ends ends;
  const std::string command(4 << 20, 'x');
  std::thread server([&] {
    std::vector<char> heard(1 << 16);
    for (size_t left = command.size(); left > 0;) {
      const ssize_t got = ::read(ends.server(), heard.data(), heard.size());
      CHECK(got > 0);
      left -= static_cast<size_t>(got);
    }
    ends.send(kThree);
  });
  MgetReply reply({3});
  CHECK(ask(ends.client(), command, reply, 10, 10) == Received::Rows);
  server.join();
  MgetReply stuck({3});
  CHECK(ask(ends.client(), command, stuck, 0.02, -1) == Received::TimedOut);
}

TEST(a_socket_that_says_nothing) {
  Ends ends;
  MgetReply late({3}), stopped({3});
  CHECK(ask(ends.client(), "command", late, 0.02, -1) == Received::TimedOut);
  CHECK(ask(ends.client(), "command", stopped, -1, 0.02) == Received::TimedOut);
}

TEST(a_socket_that_goes) {
  Ends ends;
  MgetReply closed({3}), gone({3}), failed({3});
  std::thread server([&] {
    ends.hear();
    ends.send("*3\r\n$3\r\n");
    ends.close_server();
  });
  CHECK(ask(ends.client(), "command", closed, 10, 10) == Received::Closed);
  server.join();
  CHECK(ask(ends.client(), "command", gone, 10, 10) == Received::Unsent);
  CHECK(ask(-1, "command", failed, 1, 1) == Received::Unsent);
}

TEST(nothing_is_sent_where_something_lies) {
  Ends ends;
  ends.send(">2\r\n");
  MgetReply reply({3});
  CHECK(ask(ends.client(), "command", reply, 1, 1) == Received::Unsent);
}

}  // namespace
}  // namespace feat
