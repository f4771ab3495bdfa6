// Words of many texts at once are those of each byte by itself: any bytes, borders of blocks, texts that touch.
#include <cctype>
#include <random>
#include <string>
#include <vector>

#include "engine/arena.h"
#include "engine/tests/check.h"
#include "engine/word_bits.h"

using namespace feat;

namespace {

bool is_word(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 128 && (std::isalnum(byte) != 0 || c == '_');
}

// A text of `size` bytes; one in `rare` is any, the others are letters.
std::string drawn(std::mt19937_64& random, size_t size, size_t rare) {
  std::string text(size, 'a');
  for (char& c : text) {
    if (random() % rare == 0) c = static_cast<char>(random());
  }
  return text;
}

void check_words(const std::vector<std::string>& texts) {
  std::string all;
  std::vector<int32_t> offsets{0}, starts, stops, ends{0};
  for (const std::string& text : texts) {
    bool inside = false;
    for (size_t i = 0; i <= text.size(); ++i) {
      const bool word = i < text.size() && is_word(text[i]);
      if (word && !inside) starts.push_back(static_cast<int32_t>(all.size() + i));
      if (!word && inside) stops.push_back(static_cast<int32_t>(all.size() + i));
      inside = word;
    }
    all += text;
    offsets.push_back(static_cast<int32_t>(all.size()));
    ends.push_back(static_cast<int32_t>(starts.size()));
  }
  Arena arena;
  const auto size = static_cast<int64_t>(all.size()), rows = static_cast<int64_t>(texts.size());
  char* bytes = arena.take<char>(size);
  all.copy(bytes, all.size());
  bytes[size] = 'x';  // not of the texts
  auto* bits = arena.take<uint64_t>(size / 64 + 1);
  ascii_word_bits(bytes, size, bits);
  for (size_t i = 0; i < all.size(); ++i) CHECK((bits[i / 64] >> (i % 64) & 1) == (is_word(all[i]) ? 1 : 0));

  const int64_t most = (size + rows) / 2 + 8;
  const WordPlaces places{arena.take<int32_t>(most), arena.take<int32_t>(most), arena.take<int32_t>(rows + 1)};
  const int64_t count = word_places(bits, arena.take<uint64_t>(size / 64 + 1), offsets.data(), rows, places);
  CHECK(count == static_cast<int64_t>(starts.size()));
  for (size_t i = 0; i < starts.size(); ++i) CHECK(places.starts[i] == starts[i] && places.stops[i] == stops[i]);
  for (size_t i = 0; i < ends.size(); ++i) CHECK(places.ends[i] == ends[i]);
}

}  // namespace

TEST(words_of_every_byte) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  check_words({all});
}

TEST(words_of_no_text_and_of_empty_ones) {
  check_words({});
  check_words({"", "", ""});
  check_words({"", "a", "", "", "b c", ""});
}

TEST(words_about_the_border_of_a_block) {
  for (size_t size = 60; size < 70; ++size) {
    check_words({std::string(size, 'a')});
    check_words({std::string(size, ' ')});
    check_words({std::string(size, 'a'), std::string(size, 'b')});
    check_words({std::string(size - 1, 'a') + " ", "b"});
  }
}

TEST(words_of_any_texts) {
  std::mt19937_64 random(3);
  for (size_t round = 0; round < 400; ++round) {
    std::vector<std::string> texts(random() % 20);
    for (std::string& text : texts) text = drawn(random, random() % (round % 2 == 0 ? 10 : 200), 1 + random() % 12);
    check_words(texts);
  }
}
