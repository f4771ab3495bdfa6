// Fingerprint64 of FarmHash, which TensorFlow hashes strings with. featdsl/operators/farm64.py is the same in Python.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

namespace feat {

namespace farm64_detail {

inline constexpr uint64_t kFactor0 = 0xC3A5C85C97CB3127ULL;
inline constexpr uint64_t kFactor1 = 0xB492B66FBE98F273ULL;
inline constexpr uint64_t kFactor2 = 0x9AE16A3B2F90404FULL;

template <class Word = uint64_t>
uint64_t load(const char* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

constexpr uint64_t shift_mix(uint64_t value) { return value ^ (value >> 47); }

constexpr uint64_t mix(uint64_t u, uint64_t v, uint64_t factor) {
  const uint64_t a = shift_mix((u ^ v) * factor);
  return shift_mix((v ^ a) * factor) * factor;
}

inline uint64_t up_to_16(const char* at, size_t size) {
  const uint64_t factor = kFactor2 + size * 2;
  if (size >= 8) {
    const uint64_t a = load(at) + kFactor2, b = load(at + size - 8);
    return mix(std::rotr(b, 37) * factor + a, (std::rotr(a, 25) + b) * factor, factor);
  }
  if (size >= 4) return mix(size + (load<uint32_t>(at) << 3), load<uint32_t>(at + size - 4), factor);
  if (size == 0) return kFactor2;
  const auto byte = [at](size_t i) { return uint64_t{static_cast<uint8_t>(at[i])}; };
  const uint64_t y = byte(0) + (byte(size >> 1) << 8), z = size + (byte(size - 1) << 2);
  return shift_mix((y * kFactor2) ^ (z * kFactor0)) * kFactor2;
}

inline uint64_t up_to_32(const char* at, size_t size) {
  const uint64_t factor = kFactor2 + size * 2;
  const uint64_t a = load(at) * kFactor1, b = load(at + 8);
  const uint64_t c = load(at + size - 8) * factor, d = load(at + size - 16) * kFactor2;
  return mix(std::rotr(a + b, 43) + std::rotr(c, 30) + d, a + std::rotr(b + kFactor2, 18) + c, factor);
}

inline uint64_t up_to_64(const char* at, size_t size) {
  const uint64_t factor = kFactor2 + size * 2;
  const uint64_t a = load(at) * kFactor2, b = load(at + 8);
  const uint64_t c = load(at + size - 8) * factor, d = load(at + size - 16) * kFactor2;
  const uint64_t y = std::rotr(a + b, 43) + std::rotr(c, 30) + d;
  const uint64_t z = mix(y, a + std::rotr(b + kFactor2, 18) + c, factor);
  const uint64_t e = load(at + 16) * factor, f = load(at + 24);
  const uint64_t g = (y + load(at + size - 32)) * factor, h = (z + load(at + size - 24)) * factor;
  return mix(std::rotr(e + f, 43) + std::rotr(g, 30) + h, e + std::rotr(f + a, 18) + g, factor);
}

struct Pair {
  uint64_t first = 0, second = 0;
};

// Two words of state from 32 bytes and two seeds.
inline Pair weak(const char* at, uint64_t a, uint64_t b) {
  const uint64_t last = load(at + 24);
  a += load(at);
  b = std::rotr(b + a + last, 21);
  const uint64_t c = a;
  a += load(at + 8) + load(at + 16);
  return {a + last, b + std::rotr(a, 44) + c};
}

struct State {
  uint64_t x, y, z;
  Pair v, w;

  // One block of 64 bytes; `weight` is that of the state against the data.
  void add(const char* at, uint64_t factor, uint64_t weight) {
    x = std::rotr(x + y + v.first + load(at + 8), 37) * factor;
    y = std::rotr(y + v.second + load(at + 48), 42) * factor;
    x ^= w.second * weight;
    y += v.first * weight + load(at + 40);
    z = std::rotr(z + w.first, 33) * factor;
    v = weak(at, v.second * factor, x + w.first);
    w = weak(at + 32, z + w.second, y + load(at + 16));
    std::swap(z, x);
  }
};

inline uint64_t longer(const char* at, size_t size) {
  constexpr uint64_t seed = 81, y = seed * kFactor1 + 113;
  State state{seed * kFactor2 + load(at), y, shift_mix(y * kFactor2 + 113) * kFactor2, {}, {}};
  const char* last = at + size - 64;  // may overlap the block before
  for (size_t done = 0; done + 64 < size; done += 64) state.add(at + done, kFactor1, 1);
  const uint64_t factor = kFactor1 + ((state.z & 0xFF) << 1);
  state.w.first += (size - 1) & 63;
  state.v.first += state.w.first;
  state.w.first += state.v.first;
  state.add(last, factor, 9);
  return mix(mix(state.v.first, state.w.first, factor) + shift_mix(state.y) * kFactor0 + state.z,
             mix(state.v.second, state.w.second, factor) + state.x, factor);
}

}  // namespace farm64_detail

// The Fingerprint64 of a string's bytes.
inline uint64_t farm64(std::string_view data) {
  using namespace farm64_detail;
  if (data.size() <= 16) return up_to_16(data.data(), data.size());
  if (data.size() <= 32) return up_to_32(data.data(), data.size());
  return data.size() <= 64 ? up_to_64(data.data(), data.size()) : longer(data.data(), data.size());
}

}  // namespace feat
