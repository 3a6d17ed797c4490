/* SPDX-License-Identifier: Apache-2.0
 * The vocabulary of the *_inl.h kernels in NEON (AArch64): one block at a time. vec_ssse3.h says what each word means.
 *
 * sqrdmulh equals pmulhrsw but for -32768 * -32768, and no factor is -32768. Shifts are the compilers' own operators on vectors:
 * the intrinsics want an immediate, which an inline function's argument is not before optimisation. */
#ifndef RDCT_DSP_VEC_NEON_H
#define RDCT_DSP_VEC_NEON_H

#include <arm_neon.h>
#include <stdint.h>

#define VEC_TARGET /* every AArch64 has it */
#define VEC_FN static inline __attribute__((always_inline))
enum { VEC_LANES = 1, VEC_WIDTH = 8 };
typedef int16x8_t Vec;

/* By bytes, which may lie anywhere. */
VEC_FN Vec vec_load(const void *p) {
    return vreinterpretq_s16_u8(vld1q_u8(p));
}
VEC_FN void vec_store(void *p, Vec v) {
    vst1q_u8(p, vreinterpretq_u8_s16(v));
}
VEC_FN Vec vec_set(int value) {
    return vdupq_n_s16((int16_t)value);
}

VEC_FN Vec vec_add(Vec a, Vec b) {
    return vaddq_s16(a, b);
}
VEC_FN Vec vec_sub(Vec a, Vec b) {
    return vsubq_s16(a, b);
}
VEC_FN Vec vec_adds(Vec a, Vec b) {
    return vqaddq_s16(a, b);
}
VEC_FN Vec vec_subs(Vec a, Vec b) {
    return vqsubq_s16(a, b);
}
VEC_FN Vec vec_mulhrs(Vec a, int factor) {
    return vqrdmulhq_s16(a, vdupq_n_s16((int16_t)factor));
}
VEC_FN Vec vec_mulhi_u(Vec a, Vec b) {
    const uint16x8_t ua = vreinterpretq_u16_s16(a), ub = vreinterpretq_u16_s16(b);
    const uint32x4_t low = vmull_u16(vget_low_u16(ua), vget_low_u16(ub)), high = vmull_high_u16(ua, ub);
    return vreinterpretq_s16_u16(vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high)));
}
VEC_FN Vec vec_sll(Vec a, int bits) {
    return a << bits;
}
VEC_FN Vec vec_sra(Vec a, int bits) {
    return a >> bits;
}
VEC_FN Vec vec_abs(Vec a) {
    return vabsq_s16(a);
}
VEC_FN Vec vec_with_sign(Vec magnitude, Vec like) {
    return vbslq_s16(vcltzq_s16(like), vnegq_s16(magnitude), magnitude);
}
VEC_FN Vec vec_min(Vec a, Vec b) {
    return vminq_s16(a, b);
}
VEC_FN Vec vec_max(Vec a, Vec b) {
    return vmaxq_s16(a, b);
}
VEC_FN Vec vec_and(Vec a, Vec b) {
    return vandq_s16(a, b);
}
VEC_FN Vec vec_xor(Vec a, Vec b) {
    return veorq_s16(a, b);
}
VEC_FN Vec vec_mul_saturate(Vec a, Vec b) {
    return vqmovn_high_s32(vqmovn_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b))), vmull_high_s16(a, b));
}

VEC_FN Vec vec_zip16_low(Vec a, Vec b) {
    return vzip1q_s16(a, b);
}
VEC_FN Vec vec_zip16_high(Vec a, Vec b) {
    return vzip2q_s16(a, b);
}
VEC_FN Vec vec_zip32_low(Vec a, Vec b) {
    return vreinterpretq_s16_s32(vzip1q_s32(vreinterpretq_s32_s16(a), vreinterpretq_s32_s16(b)));
}
VEC_FN Vec vec_zip32_high(Vec a, Vec b) {
    return vreinterpretq_s16_s32(vzip2q_s32(vreinterpretq_s32_s16(a), vreinterpretq_s32_s16(b)));
}
VEC_FN Vec vec_zip64_low(Vec a, Vec b) {
    return vreinterpretq_s16_s64(vzip1q_s64(vreinterpretq_s64_s16(a), vreinterpretq_s64_s16(b)));
}
VEC_FN Vec vec_zip64_high(Vec a, Vec b) {
    return vreinterpretq_s16_s64(vzip2q_s64(vreinterpretq_s64_s16(a), vreinterpretq_s64_s16(b)));
}

VEC_FN Vec vec_widen_u8(const uint8_t *p) {
    return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p)));
}
VEC_FN Vec vec_pack8(Vec a, Vec b) {
    return vreinterpretq_s16_s8(vqmovn_high_s16(vqmovn_s16(a), b));
}
VEC_FN Vec vec_pair_sums(Vec a, Vec b) {
    return vpaddq_s16(a, b);
}
VEC_FN void vec_store_zipped(int16_t *p, Vec a, Vec b) {
    const int16x8x2_t both = {{a, b}};
    vst2q_s16(p, both);
}
VEC_FN void vec_blocks_to_rows(Vec v[8]) {
    (void)v;
}
VEC_FN Vec vec_fill_lanes(const int16_t *values) {
    return vdupq_n_s16(values[0]);
}

/* (factors . (r, g, b) + 2048) >> 12 */
VEC_FN Vec vec_weigh(Vec r, Vec g, Vec b, int red, int green, int blue) {
    const int32x4_t low = vmlal_n_s16(vmlal_n_s16(vmull_n_s16(vget_low_s16(r), (int16_t)red), vget_low_s16(g), (int16_t)green),
                                      vget_low_s16(b), (int16_t)blue);
    const int32x4_t high = vmlal_high_n_s16(vmlal_high_n_s16(vmull_high_n_s16(r, (int16_t)red), g, (int16_t)green), b, (int16_t)blue);
    return vrshrn_high_n_s32(vrshrn_n_s32(low, 12), high, 12);
}
VEC_FN void vec_rgb_to_ycc(const uint8_t *rgb, int16_t *y, int16_t *cb, int16_t *cr) {
    const uint8x8x3_t pixels = vld3_u8(rgb);
    const Vec r = vreinterpretq_s16_u16(vmovl_u8(pixels.val[0])), g = vreinterpretq_s16_u16(vmovl_u8(pixels.val[1]));
    const Vec b = vreinterpretq_s16_u16(vmovl_u8(pixels.val[2]));
    vec_store(y, vec_sub(vec_weigh(r, g, b, 9798, 19235, 3735), vec_set(1024)));
    vec_store(cb, vec_weigh(r, g, b, -5529, -10855, 16384));
    vec_store(cr, vec_weigh(r, g, b, 16384, -13720, -2664));
}

VEC_FN void vec_store_rgb8(uint8_t *p, Vec r, Vec g, Vec b) {
    const uint8x16x3_t pixels = {{vreinterpretq_u8_s16(r), vreinterpretq_u8_s16(g), vreinterpretq_u8_s16(b)}};
    vst3q_u8(p, pixels);
}

VEC_FN void vec_store_rgb16(uint16_t *p, Vec r, Vec g, Vec b) {
    const uint16x8x3_t pixels = {{vreinterpretq_u16_s16(r), vreinterpretq_u16_s16(g), vreinterpretq_u16_s16(b)}};
    vst3q_u16(p, pixels);
}

/* The conversion divides by 16 itself. */
VEC_FN float32x4_t vec_float_low(Vec sixteenths) {
    return vcvtq_n_f32_s32(vmovl_s16(vget_low_s16(sixteenths)), 4);
}
VEC_FN float32x4_t vec_float_high(Vec sixteenths) {
    return vcvtq_n_f32_s32(vmovl_high_s16(sixteenths), 4);
}
VEC_FN void vec_store_float(float *p, Vec sixteenths) {
    vst1q_f32(p, vec_float_low(sixteenths));
    vst1q_f32(p + 4, vec_float_high(sixteenths));
}
VEC_FN void vec_store_rgbf(float *p, Vec r, Vec g, Vec b) {
    const float32x4x3_t low = {{vec_float_low(r), vec_float_low(g), vec_float_low(b)}};
    const float32x4x3_t high = {{vec_float_high(r), vec_float_high(g), vec_float_high(b)}};
    vst3q_f32(p, low);
    vst3q_f32(p + 12, high);
}

/* Looks up the first four columns, then the last four; either leaves alone what is not its own. */
VEC_FN void vec_zigzag_columns(Vec v[8]) {
    static const uint8_t source[8][16] = {
        /* where each byte lies in the eight columns, one behind the other */
        {0, 1, 16, 17, 2, 3, 4, 5, 18, 19, 32, 33, 48, 49, 34, 35},
        {20, 21, 6, 7, 8, 9, 22, 23, 36, 37, 50, 51, 64, 65, 80, 81},
        {66, 67, 52, 53, 38, 39, 24, 25, 10, 11, 12, 13, 26, 27, 40, 41},
        {54, 55, 68, 69, 82, 83, 96, 97, 112, 113, 98, 99, 84, 85, 70, 71},
        {56, 57, 42, 43, 28, 29, 14, 15, 30, 31, 44, 45, 58, 59, 72, 73},
        {86, 87, 100, 101, 114, 115, 116, 117, 102, 103, 88, 89, 74, 75, 60, 61},
        {46, 47, 62, 63, 76, 77, 90, 91, 104, 105, 118, 119, 120, 121, 106, 107},
        {92, 93, 78, 79, 94, 95, 108, 109, 122, 123, 124, 125, 110, 111, 126, 127},
    };
    uint8x16x4_t first, last;
    for (int i = 0; i < 4; i++) {
        first.val[i] = vreinterpretq_u8_s16(v[i]);
        last.val[i] = vreinterpretq_u8_s16(v[4 + i]);
    }
    for (int i = 0; i < 8; i++) {
        const uint8x16_t index = vld1q_u8(source[i]);
        v[i] = vreinterpretq_s16_u8(vqtbx4q_u8(vqtbl4q_u8(first, index), last, vsubq_u8(index, vdupq_n_u8(64))));
    }
}

/* A byte of each value, then its bit, then the sums of eight. */
VEC_FN void vec_nonzero_masks(const Vec v[8], uint64_t *nonzero) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t bits[4];
    for (int i = 0; i < 4; i++) {
        const uint8x16_t left = vreinterpretq_u8_u16(vtstq_s16(v[2 * i], v[2 * i]));
        const uint8x16_t right = vreinterpretq_u8_u16(vtstq_s16(v[2 * i + 1], v[2 * i + 1]));
        bits[i] = vandq_u8(vuzp1q_u8(left, right), vld1q_u8(weights));
    }
    const uint8x16_t sums = vpaddq_u8(vpaddq_u8(bits[0], bits[1]), vpaddq_u8(bits[2], bits[3]));
    *nonzero = vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sums, sums)), 0);
}

#endif
