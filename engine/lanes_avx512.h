// Eight 64-bit lanes: what engine/hash_lanes.h is written in. Included inside a namespace, compiled for AVX-512 (F,
// DQ).

using Lanes = __m512i;
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
inline bool any(Mask mask) { return mask != 0; }
inline Lanes choose(Mask mask, Lanes yes, Lanes no) { return _mm512_mask_mov_epi64(no, mask, yes); }
// The words at `base + at` of the lanes in the mask; 0 in the others, which are not read.
inline Lanes gather(const char* base, Lanes at, Mask mask) {
  return _mm512_mask_i64gather_epi64(_mm512_setzero_si512(), mask, at, base, 1);
}
// Lane i is lane index[i] of x.
inline Lanes permute(Lanes x, Lanes index) { return _mm512_permutexvar_epi64(index, x); }
