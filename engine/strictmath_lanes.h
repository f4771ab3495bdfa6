// Loops of engine/strictmath_many.h over lanes. Included once for each instruction set.

inline Doubles choose(Mask mask, Doubles yes, Doubles no) { return doubles(choose(mask, bits(yes), bits(no))); }
// Of small integers, exact: their place among the last bits of 1.5 * 2^52.
inline Doubles to_doubles(Lanes x) {
  const Doubles zero = all_doubles(0x1.8p52);
  return doubles(plus(x, bits(zero))) - zero;
}

// The double whose high word is this, and its low word 0.
inline Doubles of_high(uint32_t word) { return doubles(all(uint64_t{word} << 32)); }

// strictmath::log1p for -1 < x < 2^53, its branches side by side.
inline Doubles log1p_usual(Doubles x) {
  using namespace strictmath::detail;
  const Doubles zero = all_doubles(0.0), one = all_doubles(1.0);
  // Near 0 the logarithm of 1 + x is that of no power of 2.
  const Mask near = less(of_high(0xbfd2bec4), x) & less(x, of_high(0x3fda827a));
  const Doubles sum = one + x;
  const Doubles mantissa = doubles(either(both(bits(sum), all((uint64_t{1} << 52) - 1)), bits(one)));
  const Mask small = less(mantissa, of_high(0x3ff6a09e));
  const Doubles lost = choose(less(sum, one + one), x - (sum - one), one - (sum - x)) / sum;
  const Doubles power = to_doubles(minus(shift_right<52>(bits(sum)), all(1023))) + choose(small, zero, one);
  const Doubles reduced = choose(small, mantissa, 0.5 * mantissa);
  const Doubles k = choose(near, zero, power);
  const Doubles c = choose(equal(k, zero), zero, lost);  // with no power nothing is made good
  const Doubles f = choose(near, x, reduced - one);

  const Doubles square = 0.5 * f * f;
  const Doubles high_part = k * kLn2High, low_part = k * kLn2Low + c;
  const Doubles s = f / (2.0 + f);
  const Doubles z = s * s;
  const Doubles r = z * (kLog1 + z * (kLog2 + z * (kLog3 + z * (kLog4 + z * (kLog5 + z * (kLog6 + z * kLog7))))));
  Doubles result = high_part - ((square - (s * (square + r) + low_part)) - f);

  // A mantissa of all zeros or nearly all ones: a shorter series. Whether one of two lanes has such cannot be guessed.
  const Mask round = (less(mantissa, of_high(0x3ff00001)) | not_more(of_high(0x3ffffffd), mantissa)) & ~near;
  if (kLanes == 2 || any(round)) {
    const Doubles rest = square * (1.0 - 0.66666666666666666 * f);
    const Doubles of_exact = high_part + (c + k * kLn2Low), of_round = high_part - ((rest - low_part) - f);
    result = choose(round, choose(equal(f, zero), of_exact, of_round), result);
  }

  const Doubles magnitude = doubles(both(bits(x), all(~uint64_t{0} >> 1)));
  return choose(less(magnitude, of_high(0x3e200000)), x - x * x * 0.5, result);
}

inline int64_t log1p(const double* values, int64_t count, double* out) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Doubles x = load(values + i);
    const Mask usual = less(all_doubles(-1.0), x) & less(x, all_doubles(0x1p53));
    store(out + i, log1p_usual(x));
    if (!all_of(usual)) {
      for (int64_t k = i; k < i + kLanes; ++k) out[k] = strictmath::log1p(values[k]);
    }
  }
  return i;
}
