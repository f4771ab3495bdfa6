"""XXH64 over many values at once, in numpy: as wide as numpy's own loops are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U64 = npt.NDArray[np.uint64]

_P1, _P2, _P3, _P4, _P5 = (
    np.uint64(p)
    for p in (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5)
)  # fmt: skip
SEED = np.uint64(42)


def _rotl(x: U64, by: int) -> U64:
    left = x << np.uint64(by)
    x >>= np.uint64(64 - by)
    left |= x
    return left


def _round(accumulator: U64 | np.uint64, lane: U64) -> U64:
    mixed = lane * _P2
    mixed += accumulator
    mixed = _rotl(mixed, 31)
    mixed *= _P1
    return mixed


def _add_word(state: U64, word: U64) -> U64:
    mixed = word * _P2
    mixed = _rotl(mixed, 31)
    mixed *= _P1
    mixed ^= state
    mixed = _rotl(mixed, 27)
    mixed *= _P1
    mixed += _P4
    return mixed


def _avalanche(state: U64) -> U64:
    state ^= state >> np.uint64(33)
    state *= _P2
    state ^= state >> np.uint64(29)
    state *= _P3
    state ^= state >> np.uint64(32)
    return state


def hash_words(words: U64, seed: U64 | np.uint64) -> U64:
    """Of the 8 bytes of each word; `seed` broadcasts."""
    return _avalanche(_add_word(np.asarray(seed + (_P5 + np.uint64(8))), words))


def hash_strings(
    data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> U64:
    """Of the strings `data[start:start + length]`, seed 42. 8 bytes must follow the last string.

    Strings of one length are hashed together, a whole word a step, read where they lie.
    """
    words = np.ndarray((len(data) - 7,), np.uint64, data, strides=(1,))
    halves = np.ndarray((len(data) - 3,), np.uint32, data, strides=(1,))
    order = np.argsort(
        lengths.astype(np.uint16) if lengths.max(initial=0) < 65536 else lengths, kind="stable"
    )
    ordered = starts[order]
    counts = np.bincount(lengths)
    ends = np.cumsum(counts)
    hashed = np.empty(len(starts), np.uint64)
    for length in np.flatnonzero(counts).tolist():
        end = ends[length]
        at = ordered[end - counts[length] : end].copy()
        left = length
        if length >= 32:
            state = _stripes(words, at, length)
            left &= 31
        else:
            state = np.full(len(at), SEED + _P5)
        state += np.uint64(length)
        for _ in range(left >> 3):
            state = _add_word(state, words[at])
            at += 8
        if left & 4:
            state ^= halves[at].astype(np.uint64) * _P1
            state = _rotl(state, 23)
            state *= _P2
            state += _P3
            at += 4
        for _ in range(left & 3):
            state ^= data[at].astype(np.uint64) * _P5
            state = _rotl(state, 11)
            state *= _P1
            at += 1
        hashed[end - counts[length] : end] = _avalanche(state)
    result = np.empty_like(hashed)
    result[order] = hashed
    return result


def _stripes(words: U64, at: npt.NDArray[np.int64], length: int) -> U64:
    """The state after the whole 32-byte stripes; moves `at` behind them."""
    seeds = (SEED + _P1 + _P2, SEED + _P2, SEED, SEED - _P1)
    lanes = [np.full(len(at), seed) for seed in seeds]
    for _ in range(length >> 5):
        for k in range(4):
            lanes[k] = _round(lanes[k], words[at])
            at += 8
    state = np.zeros(len(at), np.uint64)
    for lane, by in zip(lanes, (1, 7, 12, 18), strict=True):
        state += _rotl(lane.copy(), by)
    for lane in lanes:
        state ^= _round(np.uint64(0), lane)
        state *= _P1
        state += _P4
    return state
