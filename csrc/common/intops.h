/* SPDX-License-Identifier: Apache-2.0
 * The 16-bit operations every instruction set shares. A kernel written in them has one result everywhere:
 * each maps to one instruction of SSSE3, AVX2, AVX-512BW and NEON. */
#ifndef RDCT_COMMON_INTOPS_H
#define RDCT_COMMON_INTOPS_H

#include <stdint.h>

static inline int rdct_clamp(int value, int low, int high) {
    return value < low ? low : value > high ? high : value;
}

static inline int16_t rdct_sat16(int value) {
    return (int16_t)rdct_clamp(value, INT16_MIN, INT16_MAX);
}

/* paddsw / psubsw / sqadd / sqsub */
static inline int16_t rdct_adds16(int16_t a, int16_t b) {
    return rdct_sat16(a + b);
}
static inline int16_t rdct_subs16(int16_t a, int16_t b) {
    return rdct_sat16(a - b);
}

/* pmulhrsw / sqrdmulh: (a b + 2^14) >> 15. b is always a constant above -32768, so the one overflow cannot occur. */
static inline int16_t rdct_mulhrs16(int16_t a, int16_t b) {
    return (int16_t)((a * b + (1 << 14)) >> 15);
}

/* psraw after a saturating add of the rounding constant: round half up. */
static inline int16_t rdct_round_shift16(int16_t a, int shift) {
    return (int16_t)(rdct_adds16(a, (int16_t)(1 << (shift - 1))) >> shift);
}

/* a / b to the nearest integer, halves away from zero; b > 0. */
static inline int rdct_round_div(int a, int b) {
    return a >= 0 ? (a + b / 2) / b : -((-a + b / 2) / b);
}

/* Bit scans; value != 0. */
static inline int rdct_lowest_bit(uint64_t value) {
    return __builtin_ctzll(value);
}
static inline int rdct_bit_width(uint32_t value) {
    return 32 - __builtin_clz(value);
}
static inline int rdct_popcount(uint64_t value) { /* 0 allowed */
    return __builtin_popcountll(value);
}

#endif
