// Runs every TEST, or those whose names begin with an argument.
#include <cstring>
#include <exception>

#include "engine/tests/check.h"

int main(int argc, char** argv) {
  int failed = 0, run = 0;
  for (const auto& [name, body] : feat::test::tests()) {
    bool wanted = argc == 1;
    for (int a = 1; a < argc; ++a) wanted |= std::strncmp(name, argv[a], std::strlen(argv[a])) == 0;
    if (!wanted) continue;
    ++run;
    try {
      body();
    } catch (const feat::test::Failure&) {
      std::fprintf(stderr, "failed: %s\n", name), ++failed;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "failed: %s: %s\n", name, error.what()), ++failed;
    }
  }
  std::printf("%d tests, %d failed\n", run, failed);
  return failed == 0 && run > 0 ? 0 : 1;
}
