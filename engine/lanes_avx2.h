// Four 64-bit lanes, for engine/each_simd.h.

using Lanes = __m256i;
using Doubles = __m256d;
using Mask = __m256i;
inline constexpr int kLanes = 4;
// Vectors at work at once in a loop over texts.
inline constexpr int kAbreast = 2;

inline Lanes load(const uint64_t* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
inline void store(uint64_t* at, Lanes x) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), x); }
inline Lanes widen(const int32_t* at) {
  return _mm256_cvtepu32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
}
inline Lanes all(uint64_t x) { return _mm256_set1_epi64x(static_cast<int64_t>(x)); }

inline Lanes plus(Lanes a, Lanes b) { return _mm256_add_epi64(a, b); }
inline Lanes minus(Lanes a, Lanes b) { return _mm256_sub_epi64(a, b); }
inline Lanes exclusive_or(Lanes a, Lanes b) { return _mm256_xor_si256(a, b); }
inline Lanes either(Lanes a, Lanes b) { return _mm256_or_si256(a, b); }
inline Lanes both(Lanes a, Lanes b) { return _mm256_and_si256(a, b); }
// The product of the lower halves.
inline Lanes times_low(Lanes a, Lanes b) { return _mm256_mul_epu32(a, b); }
inline Lanes times(Lanes a, Lanes b) {
  const Lanes crossed = _mm256_mullo_epi32(a, _mm256_shuffle_epi32(b, 0xb1));  // low x high, high x low
  const Lanes upper = _mm256_add_epi32(_mm256_slli_epi64(crossed, 32), crossed);
  const Lanes high = _mm256_and_si256(upper, all(0xffffffff00000000));
  return _mm256_add_epi64(times_low(a, b), high);
}
template <int by>
Lanes rotate(Lanes x) {
  return _mm256_or_si256(_mm256_slli_epi64(x, by), _mm256_srli_epi64(x, 64 - by));
}
template <int by>
Lanes shift_left(Lanes x) {
  return _mm256_slli_epi64(x, by);
}
template <int by>
Lanes shift_right(Lanes x) {
  return _mm256_srli_epi64(x, by);
}
inline Lanes shift_right(Lanes x, int by) { return _mm256_srl_epi64(x, _mm_cvtsi32_si128(by)); }
inline Lanes shift_right(Lanes x, Lanes by) { return _mm256_srlv_epi64(x, by); }
inline Lanes signs(Lanes x) { return _mm256_cmpgt_epi64(_mm256_setzero_si256(), x); }

inline Mask less(Lanes a, Lanes b) { return _mm256_cmpgt_epi64(b, a); }
// `b` is a single bit.
inline Mask any_bit(Lanes a, Lanes b) { return _mm256_cmpeq_epi64(both(a, b), b); }
inline Mask equal(Lanes a, Lanes b) { return _mm256_cmpeq_epi64(a, b); }
inline bool all_of(Mask mask) { return _mm256_movemask_epi8(mask) == -1; }
inline bool any(Mask mask) { return _mm256_testz_si256(mask, mask) == 0; }
inline Lanes choose(Mask mask, Lanes yes, Lanes no) { return _mm256_blendv_epi8(no, yes, mask); }
// Word k of each lane's 32 bytes from `base + starts[lane]` on.
inline void load_starts(const char* base, const int32_t* starts, Lanes words[4]) {
  const auto text = [&](int k) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(base + starts[k])); };
  const Lanes row0 = text(0), row1 = text(1), row2 = text(2), row3 = text(3);
  const Lanes even01 = _mm256_unpacklo_epi64(row0, row1), odd01 = _mm256_unpackhi_epi64(row0, row1);
  const Lanes even23 = _mm256_unpacklo_epi64(row2, row3), odd23 = _mm256_unpackhi_epi64(row2, row3);
  words[0] = _mm256_permute2x128_si256(even01, even23, 0x20);
  words[1] = _mm256_permute2x128_si256(odd01, odd23, 0x20);
  words[2] = _mm256_permute2x128_si256(even01, even23, 0x31);
  words[3] = _mm256_permute2x128_si256(odd01, odd23, 0x31);
}
// Of bytes that are 0 or 1.
inline Mask mask_of(const uint8_t* bytes) {
  int32_t four;
  std::memcpy(&four, bytes, sizeof four);
  return less(all(0), _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four)));
}
// The first `count` lanes; none where that is negative, all where it is more than there are.
inline Mask first_lanes(int64_t count) {
  return less(_mm256_set_epi64x(3, 2, 1, 0), all(static_cast<uint64_t>(count)));
}
inline Mask first_lanes_within(int32_t count) { return first_lanes(count); }
inline Lanes plus_one(Mask mask, Lanes x) { return minus(x, mask); }
inline Lanes plus_one_unless(Mask mask, Lanes x) { return plus(x, plus(mask, all(1))); }
inline uint64_t either_of_all(Lanes x) {
  const __m128i two = _mm_or_si128(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  return static_cast<uint64_t>(_mm_cvtsi128_si64(two) | _mm_extract_epi64(two, 1));
}
inline int64_t count_ones(uint64_t x) { return std::popcount(x); }

inline Doubles load(const double* at) { return _mm256_loadu_pd(at); }
inline void store(double* at, Doubles x) { _mm256_storeu_pd(at, x); }
inline Lanes bits(Doubles x) { return _mm256_castpd_si256(x); }
inline Doubles doubles(Lanes x) { return _mm256_castsi256_pd(x); }
inline Doubles all_doubles(double x) { return _mm256_set1_pd(x); }
// Halves of a signed integer among the last bits of 2^84 + 2^63 and of 2^52: both exact, and their sum is rounded once.
inline Doubles doubles_of(Lanes signed_integers) {
  const Doubles high_place = all_doubles(0x1p84 + 0x1p63), low_place = all_doubles(0x1p52);
  const Lanes low = _mm256_blend_epi32(signed_integers, bits(low_place), 0b10101010);
  const Lanes high = exclusive_or(_mm256_srli_epi64(signed_integers, 32), bits(high_place));
  return (doubles(high) - all_doubles(0x1p84 + 0x1p63 + 0x1p52)) + doubles(low);
}
inline Mask less(Doubles a, Doubles b) { return _mm256_castpd_si256(_mm256_cmp_pd(a, b, _CMP_LT_OQ)); }
inline Mask equal(Doubles a, Doubles b) { return _mm256_castpd_si256(_mm256_cmp_pd(a, b, _CMP_EQ_OQ)); }
inline Mask not_more(Doubles a, Doubles b) { return _mm256_castpd_si256(_mm256_cmp_pd(a, b, _CMP_LE_OQ)); }

// Lane i is lane index[i] of x.
inline Lanes permute(Lanes x, Lanes index) {
  const Lanes twice = _mm256_add_epi64(index, index);
  const Lanes halves = _mm256_or_si256(twice, _mm256_slli_epi64(_mm256_add_epi64(twice, all(1)), 32));
  return _mm256_permutevar8x32_epi32(x, halves);
}

// The upper half of the 128-bit product.
inline Lanes times_high(Lanes a, Lanes b) {
  const Lanes low = all(0xffffffff);
  const Lanes a_high = shift_right<32>(a), b_high = shift_right<32>(b);
  const Lanes upper = plus(times_low(a_high, b), shift_right<32>(times_low(a, b)));
  const Lanes lower = plus(times_low(a, b_high), both(upper, low));
  return plus(plus(times_low(a_high, b_high), shift_right<32>(upper)), shift_right<32>(lower));
}

// Remainders of 0 <= x < 2^63.
class Divider {
 public:
  explicit Divider(const Divisor& by) : divisor_(all(by.value)), multiplier_(all(by.multiplier)), shift_(by.shift) {}
  Lanes rest(Lanes x) const { return minus(x, times(shift_right(times_high(x, multiplier_), shift_), divisor_)); }

 private:
  Lanes divisor_, multiplier_;
  int shift_;
};

// 64 bytes.
class Bytes {
 public:
  explicit Bytes(const char* at) : lower_(load(at)), upper_(load(at + 32)) {}
  Bytes operator&(Bytes other) const {
    return {_mm256_and_si256(lower_, other.lower_), _mm256_and_si256(upper_, other.upper_)};
  }
  Bytes operator|(Bytes other) const {
    return {_mm256_or_si256(lower_, other.lower_), _mm256_or_si256(upper_, other.upper_)};
  }
  Bytes operator^(Bytes other) const {
    return {_mm256_xor_si256(lower_, other.lower_), _mm256_xor_si256(upper_, other.upper_)};
  }
  static Bytes all(uint8_t value) {
    const __m256i bytes = _mm256_set1_epi8(static_cast<char>(value));
    return {bytes, bytes};
  }
  // Their upper four bits.
  Bytes upper() const { return Bytes(_mm256_srli_epi16(lower_, 4), _mm256_srli_epi16(upper_, 4)) & all(0x0F); }
  // Each less so much, and no less than 0.
  Bytes less(uint8_t by) const {
    const __m256i much = all(by).lower_;
    return {_mm256_subs_epu8(lower_, much), _mm256_subs_epu8(upper_, much)};
  }
  // Of each, which is below 16, what the 16 bytes say.
  Bytes in(const uint8_t* table) const {
    const __m256i both = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)));
    return {_mm256_shuffle_epi8(both, lower_), _mm256_shuffle_epi8(both, upper_)};
  }
  bool any() const {
    const __m256i either = _mm256_or_si256(lower_, upper_);
    return _mm256_testz_si256(either, either) == 0;
  }
  bool any_from_80() const { return _mm256_movemask_epi8(_mm256_or_si256(lower_, upper_)) != 0; }

 private:
  Bytes(__m256i lower, __m256i upper) : lower_(lower), upper_(upper) {}
  static __m256i load(const char* at) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)); }
  __m256i lower_, upper_;
};
