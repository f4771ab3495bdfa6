// Many hashes at once are those of each value alone: lengths around a lane's and a stripe's, rests of a loop, any
// divisor.
#include <random>
#include <string>
#include <vector>

#include "engine/arena.h"
#include "engine/hash_many.h"
#include "engine/tests/check.h"
#include "engine/xxh64.h"

using namespace feat;

namespace {

struct Texts {
  Arena arena;
  const char* bytes;
  std::vector<int32_t> offsets{0};
  std::vector<std::string> each;

  Texts(std::mt19937_64& random, int64_t count, size_t longest) {
    std::string all;
    for (int64_t i = 0; i < count; ++i) {
      std::string text(random() % (longest + 1), ' ');
      for (char& c : text) c = static_cast<char>(random());
      all += text;
      offsets.push_back(static_cast<int32_t>(all.size()));
      each.push_back(std::move(text));
    }
    char* copy = arena.take<char>(static_cast<int64_t>(all.size()));
    all.copy(copy, all.size());
    bytes = copy;
  }
};

}  // namespace

TEST(texts_of_any_length) {
  std::mt19937_64 random(1);
  for (int64_t count = 0; count < 100; ++count) {
    for (const size_t longest : {0, 3, 8, 31, 70}) {
      const Texts texts(random, count, longest);
      std::vector<uint64_t> hashes(static_cast<size_t>(count));
      xxh64_texts(texts.bytes, texts.offsets.data(), count, 42, hashes.data());
      for (size_t i = 0; i < hashes.size(); ++i) CHECK(hashes[i] == xxh64(std::string_view(texts.each[i]), 42));
    }
  }
}

TEST(words_with_one_seed_or_many) {
  std::mt19937_64 random(2);
  for (size_t count = 0; count < 40; ++count) {
    std::vector<uint64_t> words(count), seeds(count), out(count);
    for (size_t i = 0; i < count; ++i) words[i] = random(), seeds[i] = random();
    const auto size = static_cast<int64_t>(count);
    xxh64_words(words.data(), size, 7, out.data());
    for (size_t i = 0; i < count; ++i) CHECK(out[i] == xxh64(words[i], 7));
    xxh64_words(words.data(), seeds.data(), size, out.data());
    for (size_t i = 0; i < count; ++i) CHECK(out[i] == xxh64(words[i], seeds[i]));
    xxh64_word(99, seeds.data(), size, out.data());
    for (size_t i = 0; i < count; ++i) CHECK(out[i] == xxh64(uint64_t{99}, seeds[i]));
    out = seeds;
    xxh64_words(words.data(), out.data(), size, out.data());
    for (size_t i = 0; i < count; ++i) CHECK(out[i] == xxh64(words[i], seeds[i]));
  }
}

TEST(products_of_rows) {
  std::mt19937_64 random(3);
  Arena arena;
  auto* values = arena.take<uint64_t>(1000);
  for (int i = 0; i < 1000; ++i) values[i] = random();
  std::vector<int32_t> starts[2], sizes[2], products;
  std::vector<uint64_t> expected;
  for (int row = 0; row < 50; ++row) {
    for (int part = 0; part < 2; ++part) {
      sizes[part].push_back(static_cast<int32_t>(random() % 20));
      starts[part].push_back(static_cast<int32_t>(random() % 980));
    }
    products.push_back(row % 7 == 0 ? 0 : sizes[0].back() * sizes[1].back());
    for (int32_t s = 0; s < (row % 7 == 0 ? 0 : sizes[0].back()); ++s) {
      for (int32_t w = 0; w < sizes[1].back(); ++w) {
        expected.push_back(xxh64(values[starts[1].back() + w], values[starts[0].back() + s]));
      }
    }
  }
  auto* out = arena.take<uint64_t>(static_cast<int64_t>(expected.size()));
  xxh64_products({values, starts[0].data(), sizes[0].data()}, {values, starts[1].data(), sizes[1].data()},
                 products.data(), 50, out);
  for (size_t i = 0; i < expected.size(); ++i) CHECK(out[i] == expected[i]);
}

TEST(products_of_rows_with_the_same_seeds) {
  std::mt19937_64 random(5);
  for (const int32_t longest : {1, 4, 20, 700}) {
    for (const int32_t seed_count : {1, 3, 9}) {
      Arena arena;
      std::vector<int32_t> offsets{0};
      for (int row = 0; row < 60; ++row) {
        offsets.push_back(offsets.back() + static_cast<int32_t>(random() % static_cast<uint64_t>(longest + 1)));
      }
      auto* words = arena.take<uint64_t>(offsets.back());
      for (int32_t i = 0; i < offsets.back(); ++i) words[i] = random();
      std::vector<uint64_t> seeds;
      for (int32_t s = 0; s < seed_count; ++s) seeds.push_back(random());
      auto* table = arena.take<uint64_t>(seed_count * kTableColumns);
      auto* out = arena.take<uint64_t>(int64_t{seed_count} * offsets.back());
      xxh64_same_seeds(seeds.data(), seed_count, words, offsets.data(), 60, table, out);
      for (size_t row = 0; row < 60; ++row) {
        for (const uint64_t seed : seeds) {
          for (int32_t w = offsets[row]; w < offsets[row + 1]; ++w) CHECK(*out++ == xxh64(words[w], seed));
        }
      }
    }
  }
}

TEST(products_of_rows_with_the_same_seeds_folded_and_padded) {
  std::mt19937_64 random(6);
  for (const int32_t longest : {0, 2, 20, 700}) {
    for (const int32_t seed_count : {0, 1, 3, 9}) {
      for (const int64_t width : {1, 7, 16, 256}) {
        Arena arena;
        std::vector<int32_t> offsets{0};
        for (int row = 0; row < 60; ++row) {
          offsets.push_back(offsets.back() + static_cast<int32_t>(random() % static_cast<uint64_t>(longest + 1)));
        }
        auto* words = arena.take<uint64_t>(offsets.back());
        for (int32_t i = 0; i < offsets.back(); ++i) words[i] = random();
        std::vector<uint64_t> seeds;
        for (int32_t s = 0; s < seed_count; ++s) seeds.push_back(random());
        const Fold fold(longest == 2 ? 1 : 1000, 1);
        auto* table = arena.take<uint64_t>(seed_count * kTableColumns);
        auto* out = arena.take<uint64_t>(60 * width);
        xxh64_same_seeds_padded(seeds.data(), seed_count, words, offsets.data(), 60, table, fold, width, 99, out);
        for (size_t row = 0; row < 60; ++row) {
          std::vector<uint64_t> expected;
          for (const uint64_t seed : seeds) {
            for (int32_t w = offsets[row]; w < offsets[row + 1]; ++w) {
              expected.push_back(static_cast<uint64_t>(fold(static_cast<int64_t>(xxh64(words[w], seed)))));
            }
          }
          expected.resize(static_cast<size_t>(width), 99);
          CHECK(std::equal(expected.begin(), expected.end(), out + static_cast<int64_t>(row) * width));
        }
      }
    }
  }
}

TEST(folds_by_any_divisor) {
  std::mt19937_64 random(4);
  std::vector<int64_t> codes(77), out(77);
  for (int round = 0; round < 2000; ++round) {
    auto divisor = static_cast<int64_t>(random() >> (1 + random() % 63));
    if (round < 63) divisor = int64_t{1} << round;
    if (round >= 63 && round < 126) divisor = (int64_t{1} << (round - 63)) + 1;
    if (round == 126) divisor = INT64_MAX;
    if (divisor < 1) divisor = 1;
    for (int64_t& code : codes) code = static_cast<int64_t>(random()) >> (random() % 64);
    const int64_t edges[] = {INT64_MIN, INT64_MAX, -1, 0, 1, divisor, -divisor, divisor - 1, 1 - divisor};
    std::copy(std::begin(edges), std::end(edges), codes.begin());
    const Fold fold(divisor, 3);
    fold(codes.data(), 77, out.data());
    for (size_t i = 0; i < codes.size(); ++i) {
      const int64_t rest = codes[i] % divisor;
      const auto wanted = static_cast<uint64_t>(rest < 0 ? rest + divisor : rest) + 3;
      CHECK(static_cast<uint64_t>(out[i]) == wanted);
      CHECK(fold(codes[i]) == out[i]);
    }
  }
}
