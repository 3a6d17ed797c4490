/* SPDX-License-Identifier: Apache-2.0
 * Sixteen numbers of 16 bits at once, for the symbol coder: in what every x86-64 and every AArch64 has, or one by one. All three give
 * the same bits, so nothing is chosen at run time. */
#ifndef RDCT_STREAM_LANES_H
#define RDCT_STREAM_LANES_H

#include <stdint.h>

enum { RDCT_LANES = 16 };

#if defined(__SSE2__) && !defined(RDCT_NO_LANES)

#include <emmintrin.h>

/* at[i] += (target[i] - at[i]) >> rate, differences within 16 bits. */
static inline void rdct_lanes_approach(uint16_t *at, const uint16_t *target, int rate) {
    const __m128i shift = _mm_cvtsi32_si128(rate);
    for (int i = 0; i < RDCT_LANES; i += 8) {
        const __m128i now = _mm_load_si128((const __m128i *)(const void *)(at + i));
        const __m128i way = _mm_sub_epi16(_mm_load_si128((const __m128i *)(const void *)(target + i)), now);
        _mm_store_si128((__m128i *)(void *)(at + i), _mm_add_epi16(now, _mm_sra_epi16(way, shift)));
    }
}

/* How many of the i = 1..15 have factor * (a[i] + b[i]) >> 16 at most `value`; they ascend. */
static inline int rdct_lanes_rank(const uint16_t *a, const uint16_t *b, uint16_t factor, uint16_t value) {
    const __m128i times = _mm_set1_epi16((short)factor), limit = _mm_set1_epi16((short)value), zero = _mm_setzero_si128();
    __m128i above[2];
    for (int i = 0; i < 2; i++) {
        const __m128i sum = _mm_add_epi16(_mm_load_si128((const __m128i *)(const void *)(a + 8 * i)),
                                          _mm_load_si128((const __m128i *)(const void *)(b + 8 * i)));
        above[i] = _mm_cmpeq_epi16(_mm_subs_epu16(_mm_mulhi_epu16(sum, times), limit), zero); /* not above the limit */
    }
    const uint32_t mask = (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(above[0], above[1])) | 1;
    return __builtin_ctz(~mask) - 1;
}

#elif defined(__aarch64__) && !defined(RDCT_NO_LANES)

#include <arm_neon.h>

static inline void rdct_lanes_approach(uint16_t *at, const uint16_t *target, int rate) {
    const int16x8_t shift = vdupq_n_s16((int16_t)-rate);
    for (int i = 0; i < RDCT_LANES; i += 8) {
        const uint16x8_t now = vld1q_u16(at + i);
        const int16x8_t way = vreinterpretq_s16_u16(vsubq_u16(vld1q_u16(target + i), now));
        vst1q_u16(at + i, vaddq_u16(now, vreinterpretq_u16_s16(vshlq_s16(way, shift))));
    }
}

static inline int rdct_lanes_rank(const uint16_t *a, const uint16_t *b, uint16_t factor, uint16_t value) {
    const uint16x8_t limit = vdupq_n_u16(value);
    uint8x8_t found[2];
    for (int i = 0; i < 2; i++) {
        const uint16x8_t sum = vaddq_u16(vld1q_u16(a + 8 * i), vld1q_u16(b + 8 * i));
        const uint16x4_t low = vshrn_n_u32(vmull_n_u16(vget_low_u16(sum), factor), 16);
        const uint16x4_t high = vshrn_n_u32(vmull_n_u16(vget_high_u16(sum), factor), 16);
        found[i] = vmovn_u16(vcleq_u16(vcombine_u16(low, high), limit));
    }
    const uint8x16_t ones = vshrq_n_u8(vcombine_u8(found[0], found[1]), 7);
    return vaddvq_u8(vsetq_lane_u8(0, ones, 0));
}

#else

static inline void rdct_lanes_approach(uint16_t *at, const uint16_t *target, int rate) {
    for (int i = 0; i < RDCT_LANES; i++)
        at[i] = (uint16_t)(at[i] + ((int16_t)(target[i] - at[i]) >> rate));
}

static inline int rdct_lanes_rank(const uint16_t *a, const uint16_t *b, uint16_t factor, uint16_t value) {
    int rank = 0;
    for (int i = 1; i < RDCT_LANES; i++)
        rank += ((uint32_t)factor * (uint16_t)(a[i] + b[i]) >> 16) <= value;
    return rank;
}

#endif

#endif
