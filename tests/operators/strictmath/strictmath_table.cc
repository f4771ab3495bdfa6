// As StrictMathTable.java, from engine/strictmath.h; doubles in the machine's byte order.
#include <cstdio>
#include <vector>

#include "engine/strictmath.h"

int main() {
  double pair[2];
  std::vector<double> out;
  while (std::fread(pair, sizeof(double), 2, stdin) == 2) {
    namespace sm = feat::strictmath;
    out.insert(out.end(), {sm::exp(pair[0]), sm::log(pair[0]), sm::log1p(pair[0]), sm::pow(pair[0], pair[1])});
  }
  return std::fwrite(out.data(), sizeof(double), out.size(), stdout) == out.size() ? 0 : 1;
}
