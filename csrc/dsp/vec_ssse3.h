/* SPDX-License-Identifier: Apache-2.0
 * The vocabulary of the *_inl.h kernels in SSSE3: one block of eight 16-bit columns at a time.
 *
 * A Vec is VEC_LANES lanes of 128 bits; transforms put one block into each lane, so the kernels read the same at every width.
 * Names say what an operation does; "lanes" in a name means that it works inside each lane. */
#ifndef RDCT_DSP_VEC_SSSE3_H
#define RDCT_DSP_VEC_SSSE3_H

#include <stdint.h>
#include <tmmintrin.h>

#define VEC_TARGET __attribute__((target("ssse3")))
#define VEC_FN static inline __attribute__((always_inline, target("ssse3")))
enum { VEC_LANES = 1, VEC_WIDTH = 8 };
typedef __m128i Vec;

VEC_FN Vec vec_load(const void *p) {
    return _mm_loadu_si128((const __m128i *)p);
}
VEC_FN void vec_store(void *p, Vec v) {
    _mm_storeu_si128((__m128i *)p, v);
}
VEC_FN Vec vec_set(int value) {
    return _mm_set1_epi16((int16_t)value);
}
VEC_FN Vec vec_set32(int value) {
    return _mm_set1_epi32(value);
}
/* The same 16 bytes in every lane. */
VEC_FN Vec vec_repeat(const void *p) {
    return _mm_loadu_si128((const __m128i *)p);
}
/* 16 bytes for each lane, `distance` bytes apart. */
VEC_FN Vec vec_load_lanes(const uint8_t *p, int distance) {
    (void)distance;
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

VEC_FN Vec vec_add(Vec a, Vec b) {
    return _mm_add_epi16(a, b);
}
VEC_FN Vec vec_sub(Vec a, Vec b) {
    return _mm_sub_epi16(a, b);
}
VEC_FN Vec vec_adds(Vec a, Vec b) {
    return _mm_adds_epi16(a, b);
}
VEC_FN Vec vec_subs(Vec a, Vec b) {
    return _mm_subs_epi16(a, b);
}
VEC_FN Vec vec_mulhrs(Vec a, int factor) {
    return _mm_mulhrs_epi16(a, _mm_set1_epi16((int16_t)factor));
}
VEC_FN Vec vec_mulhi_u(Vec a, Vec b) {
    return _mm_mulhi_epu16(a, b);
}
VEC_FN Vec vec_sll(Vec a, int bits) {
    return _mm_slli_epi16(a, bits);
}
VEC_FN Vec vec_sra(Vec a, int bits) {
    return _mm_srai_epi16(a, bits);
}
VEC_FN Vec vec_abs(Vec a) {
    return _mm_abs_epi16(a);
}
/* magnitude with the sign of `like`; anything where like is 0 is 0 already. */
VEC_FN Vec vec_with_sign(Vec magnitude, Vec like) {
    return _mm_sign_epi16(magnitude, like);
}
VEC_FN Vec vec_min(Vec a, Vec b) {
    return _mm_min_epi16(a, b);
}
VEC_FN Vec vec_max(Vec a, Vec b) {
    return _mm_max_epi16(a, b);
}
VEC_FN Vec vec_and(Vec a, Vec b) {
    return _mm_and_si128(a, b);
}
VEC_FN Vec vec_or(Vec a, Vec b) {
    return _mm_or_si128(a, b);
}
VEC_FN Vec vec_xor(Vec a, Vec b) {
    return _mm_xor_si128(a, b);
}

/* Pairs of 16-bit products summed to 32 bits, and 32-bit arithmetic. */
VEC_FN Vec vec_madd(Vec a, Vec b) {
    return _mm_madd_epi16(a, b);
}
VEC_FN Vec vec_add32(Vec a, Vec b) {
    return _mm_add_epi32(a, b);
}
VEC_FN Vec vec_sra32(Vec a, int bits) {
    return _mm_srai_epi32(a, bits);
}
VEC_FN Vec vec_pack32_lanes(Vec a, Vec b) {
    return _mm_packs_epi32(a, b);
}
/* clamp(a * b) to 16 bits; b is positive. */
VEC_FN Vec vec_mul_saturate(Vec a, Vec b) {
    const Vec low = _mm_mullo_epi16(a, b), high = _mm_mulhi_epi16(a, b);
    return _mm_packs_epi32(_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high));
}

VEC_FN Vec vec_shuffle_bytes_lanes(Vec a, Vec index) {
    return _mm_shuffle_epi8(a, index);
}
VEC_FN Vec vec_zip16_low(Vec a, Vec b) {
    return _mm_unpacklo_epi16(a, b);
}
VEC_FN Vec vec_zip16_high(Vec a, Vec b) {
    return _mm_unpackhi_epi16(a, b);
}
VEC_FN Vec vec_zip32_low(Vec a, Vec b) {
    return _mm_unpacklo_epi32(a, b);
}
VEC_FN Vec vec_zip32_high(Vec a, Vec b) {
    return _mm_unpackhi_epi32(a, b);
}
VEC_FN Vec vec_zip64_low(Vec a, Vec b) {
    return _mm_unpacklo_epi64(a, b);
}
VEC_FN Vec vec_zip64_high(Vec a, Vec b) {
    return _mm_unpackhi_epi64(a, b);
}

/* The low bytes of VEC_WIDTH 16-bit samples (zero above) into as many bytes in order. */
VEC_FN Vec vec_widen_u8(const uint8_t *p) {
    return _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)(const void *)p), _mm_setzero_si128());
}
/* 2 VEC_WIDTH samples in order, saturated to signed bytes. */
VEC_FN Vec vec_pack8(Vec a, Vec b) {
    return _mm_packs_epi16(a, b);
}
/* Sums of neighbours a0 + a1, a2 + a3, ..., then those of b, in order. */
VEC_FN Vec vec_pair_sums(Vec a, Vec b) {
    return _mm_hadd_epi16(a, b);
}
/* a0 b0 a1 b1 ... */
VEC_FN void vec_store_zipped(int16_t *p, Vec a, Vec b) {
    vec_store(p, _mm_unpacklo_epi16(a, b));
    vec_store(p + VEC_WIDTH, _mm_unpackhi_epi16(a, b));
}
/* rows[r], lane b: row r of block b -> block after block, in order; and back. */
VEC_FN void vec_rows_to_blocks(Vec v[8]) {
    (void)v;
}
VEC_FN void vec_blocks_to_rows(Vec v[8]) {
    (void)v;
}
/* A value for each lane. */
VEC_FN Vec vec_fill_lanes(const int16_t *values) {
    return _mm_set1_epi16(values[0]);
}
/* Lane j of the three vectors holds the pieces of 48 bytes: put in order. */
VEC_FN void vec_join_thirds(Vec v[3]) {
    (void)v;
}

/* VEC_WIDTH sixteenths, not negative, as floats. */
VEC_FN void vec_store_float(float *p, Vec sixteenths) {
    const __m128i zero = _mm_setzero_si128();
    const __m128 unit = _mm_set1_ps(0.0625f);
    _mm_storeu_ps(p, _mm_mul_ps(_mm_cvtepi32_ps(_mm_unpacklo_epi16(sixteenths, zero)), unit));
    _mm_storeu_ps(p + 4, _mm_mul_ps(_mm_cvtepi32_ps(_mm_unpackhi_epi16(sixteenths, zero)), unit));
}

#include "dsp/shuffle_inl.h"

#include "dsp/pixels_inl.h"

/* One bit for each of the 64 VEC_LANES values of blocks in order that is not 0. */
VEC_FN void vec_nonzero_masks(const Vec v[8], uint64_t *nonzero) {
    const Vec zero = _mm_setzero_si128();
    uint64_t zeros = 0;
    for (int i = 0; i < 4; i++) {
        const Vec equal = _mm_cmpeq_epi8(_mm_packs_epi16(v[2 * i], v[2 * i + 1]), zero);
        zeros |= (uint64_t)(uint32_t)_mm_movemask_epi8(equal) << (16 * i);
    }
    *nonzero = ~zeros;
}

#endif
