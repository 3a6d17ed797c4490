/* SPDX-License-Identifier: Apache-2.0
 * The vocabulary of the *_inl.h kernels in AVX-512 (BW, VL, VBMI): four blocks at a time. vec_ssse3.h says what each word means. */
#ifndef RDCT_DSP_VEC_AVX512_H
#define RDCT_DSP_VEC_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define VEC_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
#define VEC_FN static inline __attribute__((always_inline, target("avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")))
enum { VEC_LANES = 4, VEC_WIDTH = 32 };
typedef __m512i Vec;

VEC_FN Vec vec_load(const void *p) {
    return _mm512_loadu_si512(p);
}
VEC_FN void vec_store(void *p, Vec v) {
    _mm512_storeu_si512(p, v);
}
VEC_FN Vec vec_set(int value) {
    return _mm512_set1_epi16((int16_t)value);
}
VEC_FN Vec vec_set32(int value) {
    return _mm512_set1_epi32(value);
}
VEC_FN Vec vec_repeat(const void *p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}
VEC_FN __m128i vec_load_one_lane(const uint8_t *p) {
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}
VEC_FN Vec vec_load_lanes(const uint8_t *p, int distance) {
    const __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(vec_load_one_lane(p)), vec_load_one_lane(p + distance), 1);
    const __m256i high =
        _mm256_inserti128_si256(_mm256_castsi128_si256(vec_load_one_lane(p + 2 * distance)), vec_load_one_lane(p + 3 * distance), 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

VEC_FN Vec vec_add(Vec a, Vec b) {
    return _mm512_add_epi16(a, b);
}
VEC_FN Vec vec_sub(Vec a, Vec b) {
    return _mm512_sub_epi16(a, b);
}
VEC_FN Vec vec_adds(Vec a, Vec b) {
    return _mm512_adds_epi16(a, b);
}
VEC_FN Vec vec_subs(Vec a, Vec b) {
    return _mm512_subs_epi16(a, b);
}
VEC_FN Vec vec_mulhrs(Vec a, int factor) {
    return _mm512_mulhrs_epi16(a, _mm512_set1_epi16((int16_t)factor));
}
VEC_FN Vec vec_mulhi_u(Vec a, Vec b) {
    return _mm512_mulhi_epu16(a, b);
}
VEC_FN Vec vec_sll(Vec a, int bits) {
    return _mm512_sll_epi16(a, _mm_cvtsi32_si128(bits)); /* immediate forms differ in sign between compilers; constants fold */
}
VEC_FN Vec vec_sra(Vec a, int bits) {
    return _mm512_sra_epi16(a, _mm_cvtsi32_si128(bits));
}
VEC_FN Vec vec_abs(Vec a) {
    return _mm512_abs_epi16(a);
}
VEC_FN Vec vec_with_sign(Vec magnitude, Vec like) {
    return _mm512_mask_sub_epi16(magnitude, _mm512_movepi16_mask(like), _mm512_setzero_si512(), magnitude);
}
VEC_FN Vec vec_min(Vec a, Vec b) {
    return _mm512_min_epi16(a, b);
}
VEC_FN Vec vec_max(Vec a, Vec b) {
    return _mm512_max_epi16(a, b);
}
VEC_FN Vec vec_and(Vec a, Vec b) {
    return _mm512_and_si512(a, b);
}
VEC_FN Vec vec_or(Vec a, Vec b) {
    return _mm512_or_si512(a, b);
}
VEC_FN Vec vec_xor(Vec a, Vec b) {
    return _mm512_xor_si512(a, b);
}

VEC_FN Vec vec_madd(Vec a, Vec b) {
    return _mm512_madd_epi16(a, b);
}
VEC_FN Vec vec_add32(Vec a, Vec b) {
    return _mm512_add_epi32(a, b);
}
VEC_FN Vec vec_sra32(Vec a, int bits) {
    return _mm512_srai_epi32(a, (unsigned)bits);
}
VEC_FN Vec vec_pack32_lanes(Vec a, Vec b) {
    return _mm512_packs_epi32(a, b);
}
VEC_FN Vec vec_mul_saturate(Vec a, Vec b) {
    const Vec low = _mm512_mullo_epi16(a, b), high = _mm512_mulhi_epi16(a, b);
    return _mm512_packs_epi32(_mm512_unpacklo_epi16(low, high), _mm512_unpackhi_epi16(low, high));
}

VEC_FN Vec vec_shuffle_bytes_lanes(Vec a, Vec index) {
    return _mm512_shuffle_epi8(a, index);
}
VEC_FN Vec vec_zip16_low(Vec a, Vec b) {
    return _mm512_unpacklo_epi16(a, b);
}
VEC_FN Vec vec_zip16_high(Vec a, Vec b) {
    return _mm512_unpackhi_epi16(a, b);
}
VEC_FN Vec vec_zip32_low(Vec a, Vec b) {
    return _mm512_unpacklo_epi32(a, b);
}
VEC_FN Vec vec_zip32_high(Vec a, Vec b) {
    return _mm512_unpackhi_epi32(a, b);
}
VEC_FN Vec vec_zip64_low(Vec a, Vec b) {
    return _mm512_unpacklo_epi64(a, b);
}
VEC_FN Vec vec_zip64_high(Vec a, Vec b) {
    return _mm512_unpackhi_epi64(a, b);
}

VEC_FN Vec vec_widen_u8(const uint8_t *p) {
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}
VEC_FN Vec vec_pack8(Vec a, Vec b) {
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), _mm512_packs_epi16(a, b));
}
VEC_FN Vec vec_pair_sums(Vec a, Vec b) {
    const Vec ones = _mm512_set1_epi16(1);
    const Vec sums = _mm512_packs_epi32(_mm512_madd_epi16(a, ones), _mm512_madd_epi16(b, ones));
    return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), sums);
}
VEC_FN void vec_store_zipped(int16_t *p, Vec a, Vec b) {
    const Vec low = _mm512_unpacklo_epi16(a, b), high = _mm512_unpackhi_epi16(a, b);
    vec_store(p, _mm512_permutex2var_epi64(low, _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11), high));
    vec_store(p + VEC_WIDTH, _mm512_permutex2var_epi64(low, _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15), high));
}

/* a, b, c, d as a 4 x 4 matrix of lanes. */
VEC_FN void vec_transpose_lanes(Vec *a, Vec *b, Vec *c, Vec *d) {
    const Vec ab_low = _mm512_shuffle_i32x4(*a, *b, 0x44), ab_high = _mm512_shuffle_i32x4(*a, *b, 0xEE);
    const Vec cd_low = _mm512_shuffle_i32x4(*c, *d, 0x44), cd_high = _mm512_shuffle_i32x4(*c, *d, 0xEE);
    *a = _mm512_shuffle_i32x4(ab_low, cd_low, 0x88);
    *b = _mm512_shuffle_i32x4(ab_low, cd_low, 0xDD);
    *c = _mm512_shuffle_i32x4(ab_high, cd_high, 0x88);
    *d = _mm512_shuffle_i32x4(ab_high, cd_high, 0xDD);
}
VEC_FN void vec_rows_to_blocks(Vec v[8]) {
    Vec upper[4] = {v[0], v[1], v[2], v[3]}, lower[4] = {v[4], v[5], v[6], v[7]};
    vec_transpose_lanes(&upper[0], &upper[1], &upper[2], &upper[3]);
    vec_transpose_lanes(&lower[0], &lower[1], &lower[2], &lower[3]);
    for (int b = 0; b < 4; b++) {
        v[2 * b] = upper[b];
        v[2 * b + 1] = lower[b];
    }
}
VEC_FN void vec_blocks_to_rows(Vec v[8]) {
    Vec upper[4] = {v[0], v[2], v[4], v[6]}, lower[4] = {v[1], v[3], v[5], v[7]};
    vec_transpose_lanes(&upper[0], &upper[1], &upper[2], &upper[3]);
    vec_transpose_lanes(&lower[0], &lower[1], &lower[2], &lower[3]);
    for (int r = 0; r < 4; r++) {
        v[r] = upper[r];
        v[4 + r] = lower[r];
    }
}
VEC_FN Vec vec_fill_lanes(const int16_t *values) {
    const __m512i lanes = _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 0, 1, 1, 2, 2, 3, 3),
                                                   _mm512_setr_epi64(values[0], values[1], values[2], values[3], 0, 0, 0, 0));
    return _mm512_shuffle_epi8(lanes, _mm512_set1_epi16(0x0100));
}

/* Columns of four transposed blocks (v[x], lane b: column x of block b) -> blocks in order, each in zigzag order. */
VEC_FN void vec_zigzag_columns(Vec v[8]) {
    static const int16_t source[64] = {
        /* 8 column + row of each zigzag position */
        0,  8,  1,  2, 9,  16, 24, 17, 10, 3,  4,  11, 18, 25, 32, 40, 33, 26, 19, 12, 5,  6,  13, 20, 27, 34, 41, 48, 56, 49, 42, 35,
        28, 21, 14, 7, 15, 22, 29, 36, 43, 50, 57, 58, 51, 44, 37, 30, 23, 31, 38, 45, 52, 59, 60, 53, 46, 39, 47, 54, 61, 62, 55, 63,
    };
    const Vec first = _mm512_loadu_si512(source), second = _mm512_loadu_si512(source + 32);
    vec_rows_to_blocks(v);
    for (int b = 0; b < 4; b++) {
        const Vec left = v[2 * b], right = v[2 * b + 1];
        v[2 * b] = _mm512_permutex2var_epi16(left, first, right);
        v[2 * b + 1] = _mm512_permutex2var_epi16(left, second, right);
    }
}
VEC_FN void vec_nonzero_masks(const Vec v[8], uint64_t *nonzero) {
    for (int b = 0; b < 4; b++)
        nonzero[b] = (uint64_t)_mm512_test_epi16_mask(v[2 * b + 1], v[2 * b + 1]) << 32 | _mm512_test_epi16_mask(v[2 * b], v[2 * b]);
}

/* 64 pixels from 64 bytes of each colour: byte i of the result is number i / 3 of colour i % 3. */
VEC_FN void vec_store_rgb8(uint8_t *p, Vec r, Vec g, Vec b) {
    static const uint8_t red_green[3][64] = {
        /* 64 + i = green of pixel i */
        {0,  64, 0,  1,  65, 1,  2,  66, 2,  3,  67, 3,  4,  68, 4,  5,  69, 5,  6,  70, 6,  7,  71, 7,  8,  72, 8,  9,  73, 9,  10, 74,
         10, 11, 75, 11, 12, 76, 12, 13, 77, 13, 14, 78, 14, 15, 79, 15, 16, 80, 16, 17, 81, 17, 18, 82, 18, 19, 83, 19, 20, 84, 20, 21},
        {85, 21,  22, 86, 22,  23, 87, 23,  24, 88, 24,  25, 89, 25,  26, 90, 26,  27, 91, 27, 28, 92,
         28, 29,  93, 29, 30,  94, 30, 31,  95, 31, 32,  96, 32, 33,  97, 33, 34,  98, 34, 35, 99, 35,
         36, 100, 36, 37, 101, 37, 38, 102, 38, 39, 103, 39, 40, 104, 40, 41, 105, 41, 42, 106},
        {42,  43,  107, 43,  44,  108, 44,  45,  109, 45,  46,  110, 46,  47,  111, 47,  48,  112, 48,  49,  113, 49,
         50,  114, 50,  51,  115, 51,  52,  116, 52,  53,  117, 53,  54,  118, 54,  55,  119, 55,  56,  120, 56,  57,
         121, 57,  58,  122, 58,  59,  123, 59,  60,  124, 60,  61,  125, 61,  62,  126, 62,  63,  127, 63},
    };
    static const uint64_t is_blue[3] = {UINT64_C(0x4924924924924924), UINT64_C(0x2492492492492492), UINT64_C(0x9249249249249249)};
    for (int i = 0; i < 3; i++) {
        const Vec index = _mm512_loadu_si512(red_green[i]);
        const Vec two = _mm512_permutex2var_epi8(r, index, g);
        vec_store(p + 64 * i, _mm512_mask_permutexvar_epi8(two, is_blue[i], index, b)); /* looks at the low six bits only */
    }
}

/* Likewise in 16 bits. */
VEC_FN void vec_weave16(Vec v[3]) {
    static const int16_t red_green[3][32] = {
        /* 32 + i = green of pixel i */
        {0, 32, 0, 1, 33, 1, 2, 34, 2, 3, 35, 3, 4, 36, 4, 5, 37, 5, 6, 38, 6, 7, 39, 7, 8, 40, 8, 9, 41, 9, 10, 42},
        {10, 11, 43, 11, 12, 44, 12, 13, 45, 13, 14, 46, 14, 15, 47, 15, 16, 48, 16, 17, 49, 17, 18, 50, 18, 19, 51, 19, 20, 52, 20, 21},
        {53, 21, 22, 54, 22, 23, 55, 23, 24, 56, 24, 25, 57, 25, 26, 58, 26, 27, 59, 27, 28, 60, 28, 29, 61, 29, 30, 62, 30, 31, 63, 31},
    };
    static const uint32_t is_blue[3] = {0x24924924, 0x49249249, 0x92492492};
    const Vec r = v[0], g = v[1], b = v[2];
    for (int i = 0; i < 3; i++) {
        const Vec index = _mm512_loadu_si512(red_green[i]);
        v[i] = _mm512_mask_permutexvar_epi16(_mm512_permutex2var_epi16(r, index, g), is_blue[i], index, b);
    }
}
VEC_FN void vec_store_float(float *p, Vec sixteenths) {
    const __m512 unit = _mm512_set1_ps(0.0625f);
    const __m512i low = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(sixteenths));
    const __m512i high = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(sixteenths, 1));
    _mm512_storeu_ps(p, _mm512_mul_ps(_mm512_cvtepi32_ps(low), unit));
    _mm512_storeu_ps(p + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(high), unit));
}

#include "dsp/pixels_inl.h"

#endif
