// Two 64-bit lanes of what every processor has that the engine is built for (SSE2, NEON), as the compiler's own
// vectors, for engine/each_simd.h.

using Lanes = uint64_t __attribute__((vector_size(16)));
using Doubles = double __attribute__((vector_size(16)));
using Mask = Lanes;
inline constexpr int kLanes = 2;

inline Lanes load(const uint64_t* at) {
  Lanes x;
  std::memcpy(&x, at, sizeof x);
  return x;
}
inline void store(uint64_t* at, Lanes x) { std::memcpy(at, &x, sizeof x); }
inline Lanes all(uint64_t x) { return Lanes{x, x}; }

inline Lanes plus(Lanes a, Lanes b) { return a + b; }
inline Lanes minus(Lanes a, Lanes b) { return a - b; }
inline Lanes either(Lanes a, Lanes b) { return a | b; }
inline Lanes both(Lanes a, Lanes b) { return a & b; }
template <int by>
Lanes shift_right(Lanes x) {
  return x >> by;
}

inline Mask less(Lanes a, Lanes b) {
  using Signed = int64_t __attribute__((vector_size(16)));
  return reinterpret_cast<Mask>(reinterpret_cast<Signed>(a) < reinterpret_cast<Signed>(b));
}
inline Mask equal(Lanes a, Lanes b) { return reinterpret_cast<Mask>(a == b); }
inline bool all_of(Mask mask) { return (mask[0] & mask[1]) != 0; }
inline bool any(Mask mask) { return (mask[0] | mask[1]) != 0; }
inline Lanes choose(Mask mask, Lanes yes, Lanes no) { return (yes & mask) | (no & ~mask); }
// Of bytes that are 0 or 1.
inline Mask mask_of(const uint8_t* bytes) { return -Lanes{bytes[0], bytes[1]}; }
// The first `count` lanes; none where that is negative, all where it is more than there are.
inline Mask first_lanes(int64_t count) {
  static constexpr uint64_t kMasks[] = {~uint64_t{0}, ~uint64_t{0}, 0, 0};
  return load(kMasks + kLanes - std::clamp<int64_t>(count, 0, kLanes));
}
inline Mask first_lanes_within(int32_t count) { return first_lanes(count); }
inline Lanes plus_one(Mask mask, Lanes x) { return x - mask; }
inline Lanes plus_one_unless(Mask mask, Lanes x) { return x + (mask + 1); }
inline uint64_t either_of_all(Lanes x) { return x[0] | x[1]; }
// By pairs, fours and bytes: a processor's own instruction for it is not there.
inline int64_t count_ones(uint64_t x) {
  x -= x >> 1 & 0x5555555555555555;
  x = (x & 0x3333333333333333) + (x >> 2 & 0x3333333333333333);
  return static_cast<int64_t>(((x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f) * 0x0101010101010101 >> 56);
}

inline Doubles load(const double* at) {
  Doubles x;
  std::memcpy(&x, at, sizeof x);
  return x;
}
inline void store(double* at, Doubles x) { std::memcpy(at, &x, sizeof x); }
inline Lanes bits(Doubles x) { return reinterpret_cast<Lanes>(x); }
inline Doubles doubles(Lanes x) { return reinterpret_cast<Doubles>(x); }
inline Doubles all_doubles(double x) { return Doubles{x, x}; }
inline Doubles doubles_of(Lanes signed_integers) {
  return Doubles{static_cast<double>(static_cast<int64_t>(signed_integers[0])),
                 static_cast<double>(static_cast<int64_t>(signed_integers[1]))};
}
inline Mask less(Doubles a, Doubles b) { return reinterpret_cast<Mask>(a < b); }
inline Mask equal(Doubles a, Doubles b) { return reinterpret_cast<Mask>(a == b); }
inline Mask not_more(Doubles a, Doubles b) { return reinterpret_cast<Mask>(a <= b); }
