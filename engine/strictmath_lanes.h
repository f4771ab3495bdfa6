// Loops of engine/strictmath_many.h over lanes. Included once for each instruction set.

inline Doubles choose(Mask mask, Doubles yes, Doubles no) { return doubles(choose(mask, bits(yes), bits(no))); }
// Of small integers, exact: their place among the last bits of 1.5 * 2^52.
inline Doubles to_doubles(Lanes x) {
  const Doubles zero = all_doubles(0x1.8p52);
  return doubles(plus(x, bits(zero))) - zero;
}

// strictmath::log1p for -1 < x < 2^53, its branches side by side.
inline Doubles log1p_usual(Doubles x) {
  using namespace strictmath::detail;
  const Doubles one = all_doubles(1.0);
  const Lanes x_bits = bits(x);
  // Near 0 the logarithm of 1 + x is that of no power of 2.
  const Mask near = less(x_bits, all(uint64_t{0x3fda827a} << 32)) &
                    (less(all((uint64_t{1} << 32) - 1), x_bits) | less(x_bits, all(uint64_t{0xbfd2bec4} << 32)));
  const Doubles sum = one + x;
  const Lanes high = shift_right<32>(bits(sum));
  const Lanes mantissa = both(high, all(0xfffff));
  const Mask small = less(mantissa, all(0x6a09e));
  Lanes power = minus(shift_right<20>(high), all(1023));
  const Doubles lost = choose(less(all(0), power), one - (sum - x), x - (sum - one)) / sum;
  power = choose(small, power, plus(power, all(1)));
  const Lanes exponent = choose(small, all(uint64_t{0x3ff} << 52), all(uint64_t{0x3fe} << 52));
  const Doubles reduced = doubles(either(both(bits(sum), all((uint64_t{1} << 52) - 1)), exponent));
  const Doubles k = choose(near, all_doubles(0.0), to_doubles(power));
  const Doubles c = choose(near, all_doubles(0.0), lost);
  const Doubles f = choose(near, x, reduced - one);

  const Doubles square = 0.5 * f * f;
  const Doubles high_part = k * kLn2High, low_part = k * kLn2Low + c;
  const Doubles s = f / (2.0 + f);
  const Doubles z = s * s;
  const Doubles r = z * (kLog1 + z * (kLog2 + z * (kLog3 + z * (kLog4 + z * (kLog5 + z * (kLog6 + z * kLog7))))));
  const Doubles usual = high_part - ((square - (s * (square + r) + low_part)) - f);
  const Doubles of_near = f - (square - s * (square + r));
  Doubles result = choose(near, of_near, usual);

  // A mantissa of all zeros or nearly all ones: a shorter series.
  const Mask round_up = less(all(0xffffc), mantissa), round_down = equal(mantissa, all(0));
  const Mask round = (round_up | round_down) & ~near;
  if (any(round)) {
    const Doubles rest = square * (1.0 - 0.66666666666666666 * f);
    const Mask exact = equal(shift_left<1>(bits(f)), all(0)), no_power = equal(power, all(0));
    const Doubles of_exact = choose(no_power, all_doubles(0.0), high_part + (c + k * kLn2Low));
    const Doubles of_round = choose(no_power, f - rest, high_part - ((rest - low_part) - f));
    result = choose(round, choose(exact, of_exact, of_round), result);
  }

  const Lanes magnitude = both(x_bits, all(~uint64_t{0} >> 1));
  const Doubles of_tiny = choose(less(magnitude, all(uint64_t{0x3c900000} << 32)), x, x - x * x * 0.5);
  return choose(less(magnitude, all(uint64_t{0x3e200000} << 32)), of_tiny, result);
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
