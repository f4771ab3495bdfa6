// A tiny test frame: TEST(name) { CHECK(…); CHECK_THROWS(…, "part of the message"); }
#pragma once

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"

namespace feat::test {

struct Failure {};

inline std::vector<std::pair<const char*, void (*)()>>& tests() {
  static std::vector<std::pair<const char*, void (*)()>> all;
  return all;
}

struct Registered {
  Registered(const char* name, void (*body)()) { tests().emplace_back(name, body); }
};

inline void fail(const char* file, int line, const std::string& what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what.c_str());
  throw Failure{};
}

}  // namespace feat::test

#define TEST(name)                                                    \
  static void test_##name();                                          \
  static const feat::test::Registered reg_##name(#name, test_##name); \
  static void test_##name()

#define CHECK(condition) \
  if (!(condition)) feat::test::fail(__FILE__, __LINE__, #condition)

#define CHECK_THROWS(expression, part)                                                     \
  try {                                                                                    \
    expression;                                                                            \
    feat::test::fail(__FILE__, __LINE__, "no error: " #expression);                        \
  } catch (const feat::EngineError& error) {                                               \
    if (std::string(error.what()).find(part) == std::string::npos) {                       \
      feat::test::fail(__FILE__, __LINE__, std::string("another error: ") + error.what()); \
    }                                                                                      \
  }
