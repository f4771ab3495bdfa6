// Four 64-bit lanes: what engine/hash_lanes.h is written in. Included inside a namespace, compiled for AVX2.

using Lanes = __m256i;
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
inline bool any(Mask mask) { return _mm256_testz_si256(mask, mask) == 0; }
inline Lanes choose(Mask mask, Lanes yes, Lanes no) { return _mm256_blendv_epi8(no, yes, mask); }
// The words at `base + at` of the lanes in the mask; 0 in the others, which are not read.
inline Lanes gather(const char* base, Lanes at, Mask mask) {
  return _mm256_mask_i64gather_epi64(_mm256_setzero_si256(), reinterpret_cast<const long long*>(base), at, mask, 1);
}
// Lane i is lane index[i] of x.
inline Lanes permute(Lanes x, Lanes index) {
  const Lanes twice = _mm256_add_epi64(index, index);
  const Lanes halves = _mm256_or_si256(twice, _mm256_slli_epi64(_mm256_add_epi64(twice, all(1)), 32));
  return _mm256_permutevar8x32_epi32(x, halves);
}
