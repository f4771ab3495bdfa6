// Eight 64-bit lanes, for engine/each_simd.h.

using Lanes = __m512i;
using Doubles = __m512d;
using Mask = __mmask8;
inline constexpr int kLanes = 8;
// Vectors at work at once in a loop over texts: a multiplication takes long, but many can be on their way.
inline constexpr int kAbreast = 4;

inline Lanes load(const uint64_t* at) { return _mm512_loadu_si512(at); }
inline void store(uint64_t* at, Lanes x) { _mm512_storeu_si512(at, x); }
inline Lanes widen(const int32_t* at) {
  return _mm512_cvtepu32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)));
}
inline Lanes all(uint64_t x) { return _mm512_set1_epi64(static_cast<int64_t>(x)); }

inline Lanes plus(Lanes a, Lanes b) { return _mm512_add_epi64(a, b); }
inline Lanes minus(Lanes a, Lanes b) { return _mm512_sub_epi64(a, b); }
inline Lanes exclusive_or(Lanes a, Lanes b) { return _mm512_xor_si512(a, b); }
inline Lanes either(Lanes a, Lanes b) { return _mm512_or_si512(a, b); }
inline Lanes both(Lanes a, Lanes b) { return _mm512_and_si512(a, b); }
inline Lanes times(Lanes a, Lanes b) { return _mm512_mullo_epi64(a, b); }
// The product of the lower halves.
inline Lanes times_low(Lanes a, Lanes b) { return _mm512_mul_epu32(a, b); }
template <int by>
Lanes rotate(Lanes x) {
  return _mm512_rol_epi64(x, by);
}
template <int by>
Lanes shift_left(Lanes x) {
  return _mm512_slli_epi64(x, by);
}
template <int by>
Lanes shift_right(Lanes x) {
  return _mm512_srli_epi64(x, by);
}
inline Lanes shift_right(Lanes x, int by) { return _mm512_srl_epi64(x, _mm_cvtsi32_si128(by)); }
inline Lanes shift_right(Lanes x, Lanes by) { return _mm512_srlv_epi64(x, by); }
inline Lanes signs(Lanes x) { return _mm512_srai_epi64(x, 63); }

inline Mask less(Lanes a, Lanes b) { return _mm512_cmplt_epi64_mask(a, b); }
inline Mask any_bit(Lanes a, Lanes b) { return _mm512_test_epi64_mask(a, b); }
inline Mask equal(Lanes a, Lanes b) { return _mm512_cmpeq_epi64_mask(a, b); }
inline bool all_of(Mask mask) { return mask == 0xff; }
inline bool any(Mask mask) { return mask != 0; }
inline Lanes choose(Mask mask, Lanes yes, Lanes no) { return _mm512_mask_mov_epi64(no, mask, yes); }
// Word k of each lane's 32 bytes from `base + starts[lane]` on.
inline void load_starts(const char* base, const int32_t* starts, Lanes words[4]) {
  const auto text = [base](int32_t start) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(base + start));
  };
  const auto pair = [&](int k) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(text(starts[k])), text(starts[k + 4]), 1);
  };
  const Lanes row0 = pair(0), row1 = pair(1), row2 = pair(2), row3 = pair(3);
  const Lanes even01 = _mm512_unpacklo_epi64(row0, row1), odd01 = _mm512_unpackhi_epi64(row0, row1);
  const Lanes even23 = _mm512_unpacklo_epi64(row2, row3), odd23 = _mm512_unpackhi_epi64(row2, row3);
  const Lanes first = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0);
  const Lanes second = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
  // Lanes 0 to 3 are texts 0, 1, 2, 3, lanes 4 to 7 texts 4, 5, 6, 7.
  words[0] = _mm512_permutex2var_epi64(even01, first, even23);
  words[1] = _mm512_permutex2var_epi64(odd01, first, odd23);
  words[2] = _mm512_permutex2var_epi64(even01, second, even23);
  words[3] = _mm512_permutex2var_epi64(odd01, second, odd23);
}
// Of bytes that are 0 or 1.
inline Mask mask_of(const uint8_t* bytes) {
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
  return static_cast<Mask>(_mm_test_epi8_mask(eight, eight));
}
// The first `count` lanes, 0 to kLanes.
inline Mask first_lanes_within(int32_t count) {
  return static_cast<Mask>(_bzhi_u32(0xff, static_cast<uint32_t>(count)));
}
// The first `count` lanes; none where that is negative, all where it is more than there are.
inline Mask first_lanes(int64_t count) {
  return first_lanes_within(static_cast<int32_t>(count < 0 ? 0 : count > kLanes ? kLanes : count));
}
inline Lanes plus_one(Mask mask, Lanes x) { return _mm512_mask_add_epi64(x, mask, x, all(1)); }
inline Lanes plus_one_unless(Mask mask, Lanes x) { return plus_one(static_cast<Mask>(~mask), x); }
inline uint64_t either_of_all(Lanes x) { return static_cast<uint64_t>(_mm512_reduce_or_epi64(x)); }
inline int64_t count_ones(uint64_t x) { return std::popcount(x); }

inline Doubles load(const double* at) { return _mm512_loadu_pd(at); }
inline void store(double* at, Doubles x) { _mm512_storeu_pd(at, x); }
inline Lanes bits(Doubles x) { return _mm512_castpd_si512(x); }
inline Doubles doubles(Lanes x) { return _mm512_castsi512_pd(x); }
inline Doubles all_doubles(double x) { return _mm512_set1_pd(x); }
inline Doubles doubles_of(Lanes signed_integers) { return _mm512_cvtepi64_pd(signed_integers); }
inline Mask less(Doubles a, Doubles b) { return _mm512_cmp_pd_mask(a, b, _CMP_LT_OQ); }
inline Mask equal(Doubles a, Doubles b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
inline Mask not_more(Doubles a, Doubles b) { return _mm512_cmp_pd_mask(a, b, _CMP_LE_OQ); }

// Lane i is lane index[i] of x.
inline Lanes permute(Lanes x, Lanes index) { return _mm512_permutexvar_epi64(index, x); }

// Remainders of 0 <= x < 2^63. The quotient in floating point is off by at most 3 * 2^10 / divisor, three roundings:
// of a large divisor by one at most, of a small one so little that the same again is.
class Divider {
 public:
  explicit Divider(const Divisor& by)
      : divisor_(all(by.value)), inverse_(all_doubles(by.inverse)), is_small_(by.value < 8192) {}
  Lanes rest(Lanes x) const {
    Lanes rest = nearly(x);
    if (is_small_) rest = nearly(rest);
    // Below 0 or not below the divisor: then, as unsigned, the other is smaller.
    rest = _mm512_min_epu64(rest, plus(rest, divisor_));
    return _mm512_min_epu64(rest, minus(rest, divisor_));
  }

 private:
  Lanes nearly(Lanes x) const {
    return minus(x, times(_mm512_cvttpd_epi64(_mm512_mul_pd(_mm512_cvtepi64_pd(x), inverse_)), divisor_));
  }
  Lanes divisor_;
  __m512d inverse_;
  bool is_small_;
};

// 64 bytes.
class Bytes {
 public:
  explicit Bytes(const char* at) : bytes_(_mm512_loadu_si512(at)) {}
  Bytes operator&(Bytes other) const { return Bytes(_mm512_and_si512(bytes_, other.bytes_)); }
  Bytes operator|(Bytes other) const { return Bytes(_mm512_or_si512(bytes_, other.bytes_)); }
  Bytes operator^(Bytes other) const { return Bytes(_mm512_xor_si512(bytes_, other.bytes_)); }
  static Bytes all(uint8_t value) { return Bytes(_mm512_set1_epi8(static_cast<char>(value))); }
  // Their upper four bits.
  Bytes upper() const { return Bytes(_mm512_srli_epi16(bytes_, 4)) & all(0x0F); }
  // Each less so much, and no less than 0.
  Bytes less(uint8_t by) const { return Bytes(_mm512_subs_epu8(bytes_, all(by).bytes_)); }
  // Of each, which is below 16, what the 16 bytes say.
  Bytes in(const uint8_t* table) const {
    const __m128i one = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    return Bytes(_mm512_shuffle_epi8(_mm512_maskz_broadcast_i32x4(0xFFFF, one), bytes_));
  }
  bool any() const { return _mm512_test_epi8_mask(bytes_, bytes_) != 0; }
  bool any_from_80() const { return _mm512_movepi8_mask(bytes_) != 0; }

 private:
  explicit Bytes(__m512i bytes) : bytes_(bytes) {}
  __m512i bytes_;
};
