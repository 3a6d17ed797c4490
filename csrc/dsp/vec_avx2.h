/* SPDX-License-Identifier: Apache-2.0
 * The vocabulary of the *_inl.h kernels in AVX2: two blocks at a time. vec_ssse3.h says what each word means. */
#ifndef RDCT_DSP_VEC_AVX2_H
#define RDCT_DSP_VEC_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define VEC_TARGET __attribute__((target("avx2")))
#define VEC_FN static inline __attribute__((always_inline, target("avx2")))
enum { VEC_LANES = 2, VEC_WIDTH = 16 };
typedef __m256i Vec;

VEC_FN Vec vec_load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}
VEC_FN void vec_store(void *p, Vec v) {
    _mm256_storeu_si256((__m256i *)p, v);
}
VEC_FN Vec vec_set(int value) {
    return _mm256_set1_epi16((int16_t)value);
}
VEC_FN Vec vec_set32(int value) {
    return _mm256_set1_epi32(value);
}
VEC_FN Vec vec_repeat(const void *p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}
VEC_FN Vec vec_load_lanes(const uint8_t *p, int distance) {
    const __m128i low = _mm_loadu_si128((const __m128i *)(const void *)p);
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), _mm_loadu_si128((const __m128i *)(const void *)(p + distance)), 1);
}

VEC_FN Vec vec_add(Vec a, Vec b) {
    return _mm256_add_epi16(a, b);
}
VEC_FN Vec vec_sub(Vec a, Vec b) {
    return _mm256_sub_epi16(a, b);
}
VEC_FN Vec vec_adds(Vec a, Vec b) {
    return _mm256_adds_epi16(a, b);
}
VEC_FN Vec vec_subs(Vec a, Vec b) {
    return _mm256_subs_epi16(a, b);
}
VEC_FN Vec vec_mulhrs(Vec a, int factor) {
    return _mm256_mulhrs_epi16(a, _mm256_set1_epi16((int16_t)factor));
}
VEC_FN Vec vec_mulhi_u(Vec a, Vec b) {
    return _mm256_mulhi_epu16(a, b);
}
VEC_FN Vec vec_sll(Vec a, int bits) {
    return _mm256_slli_epi16(a, bits);
}
VEC_FN Vec vec_sra(Vec a, int bits) {
    return _mm256_srai_epi16(a, bits);
}
VEC_FN Vec vec_abs(Vec a) {
    return _mm256_abs_epi16(a);
}
VEC_FN Vec vec_with_sign(Vec magnitude, Vec like) {
    return _mm256_sign_epi16(magnitude, like);
}
VEC_FN Vec vec_min(Vec a, Vec b) {
    return _mm256_min_epi16(a, b);
}
VEC_FN Vec vec_max(Vec a, Vec b) {
    return _mm256_max_epi16(a, b);
}
VEC_FN Vec vec_and(Vec a, Vec b) {
    return _mm256_and_si256(a, b);
}
VEC_FN Vec vec_or(Vec a, Vec b) {
    return _mm256_or_si256(a, b);
}
VEC_FN Vec vec_xor(Vec a, Vec b) {
    return _mm256_xor_si256(a, b);
}

VEC_FN Vec vec_madd(Vec a, Vec b) {
    return _mm256_madd_epi16(a, b);
}
VEC_FN Vec vec_add32(Vec a, Vec b) {
    return _mm256_add_epi32(a, b);
}
VEC_FN Vec vec_sra32(Vec a, int bits) {
    return _mm256_srai_epi32(a, bits);
}
VEC_FN Vec vec_pack32_lanes(Vec a, Vec b) {
    return _mm256_packs_epi32(a, b);
}
VEC_FN Vec vec_mul_saturate(Vec a, Vec b) {
    const Vec low = _mm256_mullo_epi16(a, b), high = _mm256_mulhi_epi16(a, b);
    return _mm256_packs_epi32(_mm256_unpacklo_epi16(low, high), _mm256_unpackhi_epi16(low, high));
}

VEC_FN Vec vec_shuffle_bytes_lanes(Vec a, Vec index) {
    return _mm256_shuffle_epi8(a, index);
}
VEC_FN Vec vec_zip16_low(Vec a, Vec b) {
    return _mm256_unpacklo_epi16(a, b);
}
VEC_FN Vec vec_zip16_high(Vec a, Vec b) {
    return _mm256_unpackhi_epi16(a, b);
}
VEC_FN Vec vec_zip32_low(Vec a, Vec b) {
    return _mm256_unpacklo_epi32(a, b);
}
VEC_FN Vec vec_zip32_high(Vec a, Vec b) {
    return _mm256_unpackhi_epi32(a, b);
}
VEC_FN Vec vec_zip64_low(Vec a, Vec b) {
    return _mm256_unpacklo_epi64(a, b);
}
VEC_FN Vec vec_zip64_high(Vec a, Vec b) {
    return _mm256_unpackhi_epi64(a, b);
}

VEC_FN Vec vec_widen_u8(const uint8_t *p) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}
/* Instructions that narrow leave quarters in the order 0 2 1 3. */
VEC_FN Vec vec_pack8(Vec a, Vec b) {
    return _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xD8);
}
VEC_FN Vec vec_pair_sums(Vec a, Vec b) {
    return _mm256_permute4x64_epi64(_mm256_hadd_epi16(a, b), 0xD8);
}
VEC_FN void vec_store_zipped(int16_t *p, Vec a, Vec b) {
    const Vec low = _mm256_unpacklo_epi16(a, b), high = _mm256_unpackhi_epi16(a, b);
    vec_store(p, _mm256_permute2x128_si256(low, high, 0x20));
    vec_store(p + VEC_WIDTH, _mm256_permute2x128_si256(low, high, 0x31));
}
VEC_FN void vec_rows_to_blocks(Vec v[8]) {
    Vec rows[8];
    for (int i = 0; i < 8; i++)
        rows[i] = v[i];
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_permute2x128_si256(rows[2 * i], rows[2 * i + 1], 0x20);
        v[4 + i] = _mm256_permute2x128_si256(rows[2 * i], rows[2 * i + 1], 0x31);
    }
}
VEC_FN void vec_blocks_to_rows(Vec v[8]) {
    Vec blocks[8];
    for (int i = 0; i < 8; i++)
        blocks[i] = v[i];
    for (int i = 0; i < 4; i++) {
        v[2 * i] = _mm256_permute2x128_si256(blocks[i], blocks[4 + i], 0x20);
        v[2 * i + 1] = _mm256_permute2x128_si256(blocks[i], blocks[4 + i], 0x31);
    }
}
VEC_FN Vec vec_fill_lanes(const int16_t *values) {
    return _mm256_inserti128_si256(_mm256_set1_epi16(values[0]), _mm_set1_epi16(values[1]), 1);
}
VEC_FN void vec_join_thirds(Vec v[3]) {
    const Vec a = v[0], b = v[1], c = v[2];
    v[0] = _mm256_permute2x128_si256(a, b, 0x20);
    v[1] = _mm256_permute2x128_si256(c, a, 0x30);
    v[2] = _mm256_permute2x128_si256(b, c, 0x31);
}

VEC_FN void vec_store_float(float *p, Vec sixteenths) {
    const __m256 unit = _mm256_set1_ps(0.0625f);
    const __m256i low = _mm256_cvtepu16_epi32(_mm256_castsi256_si128(sixteenths));
    const __m256i high = _mm256_cvtepu16_epi32(_mm256_extracti128_si256(sixteenths, 1));
    _mm256_storeu_ps(p, _mm256_mul_ps(_mm256_cvtepi32_ps(low), unit));
    _mm256_storeu_ps(p + 8, _mm256_mul_ps(_mm256_cvtepi32_ps(high), unit));
}

#include "dsp/shuffle_inl.h"

#include "dsp/pixels_inl.h"

VEC_FN void vec_nonzero_masks(const Vec v[8], uint64_t *nonzero) {
    const Vec zero = _mm256_setzero_si256();
    for (int b = 0; b < 2; b++) {
        const Vec low = _mm256_cmpeq_epi8(vec_pack8(v[4 * b], v[4 * b + 1]), zero);
        const Vec high = _mm256_cmpeq_epi8(vec_pack8(v[4 * b + 2], v[4 * b + 3]), zero);
        nonzero[b] = ~((uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32 | (uint32_t)_mm256_movemask_epi8(low));
    }
}

#endif
