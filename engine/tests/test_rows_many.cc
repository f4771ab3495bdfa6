// Many rows at once are each row alone: rests of a loop, edges, values that are no numbers.
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engine/arena.h"
#include "engine/rows_many.h"
#include "engine/strictmath.h"
#include "engine/strictmath_many.h"
#include "engine/tests/check.h"

using namespace feat;

TEST(doubles_of_integers) {
  std::mt19937_64 random(8);
  std::vector<int64_t> values{
      0, 1, -1, INT64_MAX, INT64_MIN, INT64_MAX - 512, (int64_t{1} << 53) + 1, -(int64_t{1} << 53) - 1};
  for (int i = 0; i < 4000; ++i) values.push_back(static_cast<int64_t>(random()) >> (i % 64));
  values.push_back(7);
  std::vector<double> out(values.size());
  doubles_of(values.data(), static_cast<int64_t>(values.size()), out.data());
  for (size_t i = 0; i < values.size(); ++i) CHECK(out[i] == static_cast<double>(values[i]));
}

TEST(chooses_valid_bytes) {
  const uint8_t valid[] = {1, 0, 0, 1, 1}, values[] = {1, 9, 9, 0, 1}, others[] = {0, 1, 0, 1, 0};
  uint8_t out[5];
  choose_valid(valid, values, others, 1, 5, out);
  const uint8_t each[] = {1, 1, 0, 0, 1}, same[] = {1, 0, 0, 0, 1};
  CHECK(std::equal(out, out + 5, each));
  choose_valid(valid, values, others, 0, 5, out);
  CHECK(std::equal(out, out + 5, same));
}

TEST(rows_are_padded_and_cut) {
  std::mt19937_64 random(1);
  for (int64_t width = 0; width < 20; ++width) {
    Arena arena;
    std::vector<int32_t> offsets{0};
    for (int row = 0; row < 30; ++row) offsets.push_back(offsets.back() + static_cast<int32_t>(random() % 22));
    auto* words = arena.take<uint64_t>(offsets.back());
    for (int32_t i = 0; i < offsets.back(); ++i) words[i] = random();
    auto* out = arena.take<uint64_t>(30 * width);
    pad_rows(words, offsets.data(), 30, width, 7, out);
    for (size_t row = 0; row < 30; ++row) {
      for (int64_t k = 0; k < width; ++k) {
        CHECK(*out++ == (k < offsets[row + 1] - offsets[row] ? words[offsets[row] + k] : 7));
      }
    }
  }
}

TEST(what_is_not_valid_is_chosen_from_the_other) {
  std::mt19937_64 random(2);
  for (int64_t rows = 0; rows < 40; ++rows) {
    std::vector<uint8_t> valid(static_cast<size_t>(rows) + 8);
    std::vector<uint64_t> values(static_cast<size_t>(rows) + 1), others(values), out(values);
    for (size_t i = 0; i < values.size(); ++i) valid[i] = random() & 1, values[i] = random(), others[i] = random();
    for (const int64_t step : {0, 1}) {
      choose_valid(valid.data(), values.data(), others.data(), step, rows, out.data());
      for (size_t i = 0; i < static_cast<size_t>(rows); ++i) {
        CHECK(out[i] == (valid[i] ? values[i] : others[step == 0 ? 0 : i]));
      }
    }
  }
}

TEST(quotients_and_whether_a_divisor_is_0) {
  for (int64_t rows = 0; rows < 20; ++rows) {
    for (const int64_t zero_at : {int64_t{-1}, int64_t{0}, rows - 1}) {
      std::vector<double> a, b, out(static_cast<size_t>(rows));
      for (int64_t i = 0; i <= rows; ++i) {
        a.push_back(static_cast<double>(i) - 3), b.push_back(i == zero_at ? -0.0 : static_cast<double>(i) + 0.7);
      }
      for (const int64_t a_step : {0, 1}) {
        for (const int64_t b_step : {0, 1}) {
          bool any_zero = false;
          for (int64_t i = 0; i < rows; ++i) any_zero |= b[static_cast<size_t>(i * b_step)] == 0.0;
          CHECK(divide_rows(a.data(), a_step, b.data(), b_step, rows, out.data()) == any_zero);
          for (int64_t i = 0; i < rows; ++i) {
            const double wanted = a[static_cast<size_t>(i * a_step)] / b[static_cast<size_t>(i * b_step)];
            CHECK(std::bit_cast<uint64_t>(out[static_cast<size_t>(i)]) == std::bit_cast<uint64_t>(wanted));
          }
        }
      }
    }
  }
}

template <class T>
void check_edges(std::vector<T> values, const std::vector<T>& edges) {
  std::vector<int64_t> out(values.size());
  for (const bool right : {false, true}) {
    count_edges(values.data(), edges.data(), static_cast<int64_t>(edges.size()), right,
                static_cast<int64_t>(values.size()), out.data());
    for (size_t i = 0; i < values.size(); ++i) {
      int64_t passed = 0;
      for (const T edge : edges) passed += right ? edge < values[i] : edge <= values[i];
      CHECK(out[i] == passed);
    }
  }
}

TEST(edges_that_a_value_passes) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  check_edges<double>({-infinity, -1, -0.0, 0.0, 0.5, 1, 2, 3, infinity, std::nan(""), 2.5}, {-infinity, 0, 1, 2, 2.5});
  check_edges<double>({1, 2, 3, 4, 5, 6, 7, 8, 9}, {});
  check_edges<int64_t>({INT64_MIN, -1, 0, 1, 2, 3, INT64_MAX, 5, 6, 7}, {INT64_MIN, 0, 2, INT64_MAX});
}

TEST(codes_among_a_few) {
  std::mt19937_64 random(3);
  std::vector<uint64_t> few;
  for (int k = 0; k < 64; ++k) few.push_back(random());
  for (const int64_t size : {0, 1, 5, 64}) {
    std::vector<uint64_t> codes, found(50);
    for (int i = 0; i < 50; ++i) codes.push_back(i % 3 == 0 ? random() : few[random() % few.size()]);
    find_codes(codes.data(), 50, few.data(), size, found.data());
    for (size_t i = 0; i < codes.size(); ++i) {
      for (size_t k = 0; k < few.size(); ++k) {
        CHECK((found[i] >> k & 1) == (k < static_cast<size_t>(size) && codes[i] == few[k]));
      }
    }
  }
}

TEST(bits_of_rows) {
  std::mt19937_64 random(4);
  Arena arena;
  std::vector<int32_t> offsets{0};
  for (int row = 0; row < 50; ++row) offsets.push_back(offsets.back() + static_cast<int32_t>(random() % 20));
  auto* words = arena.take<uint64_t>(offsets.back());
  for (int32_t i = 0; i < offsets.back(); ++i) words[i] = uint64_t{1} << random() % 64;
  std::vector<int64_t> counts(50);
  count_bits_of_rows(words, offsets.data(), 50, counts.data());
  for (size_t row = 0; row < 50; ++row) {
    uint64_t bits = 0;
    for (int32_t k = offsets[row]; k < offsets[row + 1]; ++k) bits |= words[k];
    CHECK(counts[row] == std::popcount(bits));
  }
}

TEST(logarithms_are_those_of_each_value) {
  const auto unit_of = [](std::mt19937_64& numbers) { return static_cast<double>(numbers() >> 11) * 0x1p-53; };
  std::mt19937_64 random(5);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> values{0.0,          -0.0,        1.0,      -1.0,    -2.0,   infinity,           -infinity,
                             std::nan(""), 0x1p-29,     -0x1p-29, 0x1p-54, 0x1p53, 0x1p-1074,          1e308,
                             0.41421356,   -0.29289322, 3.0,      1023.0,  -0.5,   -0.9999999999999999};
  for (int i = 0; i < 200'000; ++i) {
    const double unit = unit_of(random);
    switch (i % 5) {
      case 0:
        values.push_back(std::bit_cast<double>(random()));
        break;
      case 1:
        values.push_back(2 * unit - 1);
        break;
      case 2:
        values.push_back(static_cast<double>(random() % 100'000));
        break;
      case 3:  // around powers of 2, where the series is short
        values.push_back(std::ldexp(1.0, static_cast<int>(random() % 60)) - 1 +
                         static_cast<double>(random() % 9) * 0x1p-30);
        break;
      default:
        values.push_back(std::ldexp(unit, static_cast<int>(random() % 120) - 60));
    }
  }
  // Where a branch ends: 1 / sqrt(2) - 1 is one by the high word of x and one by that of 1 + x.
  for (const double border : {-0x1.2bec4p-2, -0x1.2bec333018866p-2, 0x1.a827ap-2, 0x1p-29, -0x1p-54}) {
    for (int i = 0; i < 10'000; ++i) {
      values.push_back(border * (1 + std::ldexp(unit_of(random) - 0.5, -10 - static_cast<int>(random() % 40))));
    }
  }
  for (const size_t count : {size_t{0}, size_t{1}, size_t{7}, values.size()}) {
    std::vector<double> out(count);
    strictmath::log1p(values.data(), static_cast<int64_t>(count), out.data());
    for (size_t i = 0; i < count; ++i) {
      CHECK(std::bit_cast<uint64_t>(out[i]) == std::bit_cast<uint64_t>(strictmath::log1p(values[i])));
    }
  }
}
