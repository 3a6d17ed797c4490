/* SPDX-License-Identifier: Apache-2.0
 * Colour, VEC_WIDTH pixels at once: color.c in the words of a vec_*.h. Every function needs n to be at least one step; the last
 * step may repeat pixels of the one before. */
#include "dsp/dsp.h"

/* Two 16-bit factors, in the order of a pair in memory. */
VEC_FN Vec color_factors(int first, int second) {
    return vec_set32((int)((uint32_t)second << 16 | ((uint32_t)first & 0xFFFF)));
}

/* Four pixels in each lane as pairs (R, G) and (B, 1). */
typedef struct ColorQuads {
    Vec red_green, blue_one;
} ColorQuads;

/* Pixels begin at byte `first` (0 or 4) of each lane. */
VEC_FN ColorQuads color_split(Vec rgb, int first) {
    static const uint8_t red_green[2][16] = {
        {0, 0x80, 1, 0x80, 3, 0x80, 4, 0x80, 6, 0x80, 7, 0x80, 9, 0x80, 10, 0x80},
        {4, 0x80, 5, 0x80, 7, 0x80, 8, 0x80, 10, 0x80, 11, 0x80, 13, 0x80, 14, 0x80},
    };
    static const uint8_t blue[2][16] = {
        {2, 0x80, 0x80, 0x80, 5, 0x80, 0x80, 0x80, 8, 0x80, 0x80, 0x80, 11, 0x80, 0x80, 0x80},
        {6, 0x80, 0x80, 0x80, 9, 0x80, 0x80, 0x80, 12, 0x80, 0x80, 0x80, 15, 0x80, 0x80, 0x80},
    };
    const ColorQuads quads = {
        vec_shuffle_bytes_lanes(rgb, vec_repeat(red_green[first / 4])),
        vec_or(vec_shuffle_bytes_lanes(rgb, vec_repeat(blue[first / 4])), color_factors(0, 1)),
    };
    return quads;
}

VEC_FN Vec color_weigh(ColorQuads a, ColorQuads b, int red, int green, int blue) {
    const Vec red_green = color_factors(red, green), blue_one = color_factors(blue, 2048);
    const Vec low = vec_add32(vec_madd(a.red_green, red_green), vec_madd(a.blue_one, blue_one));
    const Vec high = vec_add32(vec_madd(b.red_green, red_green), vec_madd(b.blue_one, blue_one));
    return vec_pack32_lanes(vec_sra32(low, 12), vec_sra32(high, 12));
}

VEC_FN void rgb_to_ycc_row(const uint8_t *rgb, int n, int16_t *y, int16_t *cb, int16_t *cr) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        /* Eight pixels are 24 bytes: the first four and the last four, without a look beyond them. */
        const ColorQuads a = color_split(vec_load_lanes(rgb + 3 * x, 24), 0);
        const ColorQuads b = color_split(vec_load_lanes(rgb + 3 * x + 8, 24), 4);
        vec_store(y + x, vec_sub(color_weigh(a, b, 9798, 19235, 3735), vec_set(1024)));
        vec_store(cb + x, color_weigh(a, b, -5529, -10855, 16384));
        vec_store(cr + x, color_weigh(a, b, 16384, -13720, -2664));
    }
}

VEC_FN void grey_to_y_row(const uint8_t *grey, int n, int16_t *y) {
    for (int i = 0; i < n; i += VEC_WIDTH) {
        const int x = i + VEC_WIDTH <= n ? i : n - VEC_WIDTH;
        vec_store(y + x, vec_sll(vec_sub(vec_widen_u8(grey + x), vec_set(128)), 3));
    }
}

typedef struct ColorRgb {
    Vec r, g, b;
} ColorRgb;

VEC_FN ColorRgb color_to_rgb(const int16_t *y, const int16_t *cb, const int16_t *cr) {
    const Vec luma = vec_load(y), blue = vec_load(cb), red = vec_load(cr);
    const ColorRgb out = {
        vec_adds(luma, vec_adds(red, vec_mulhrs(red, 13173))),
        vec_subs(vec_subs(luma, vec_mulhrs(blue, 11277)), vec_mulhrs(red, 23401)),
        vec_adds(luma, vec_subs(vec_adds(blue, blue), vec_mulhrs(blue, 7471))),
    };
    return out;
}

/* clamp((v + 8) >> 4, -128, 127) + 128 */
VEC_FN Vec color_bytes(Vec a, Vec b) {
    const Vec half = vec_set(8);
    return vec_xor(vec_pack8(vec_sra(vec_adds(a, half), 4), vec_sra(vec_adds(b, half), 4)), vec_set((int16_t)0x8080));
}

enum { COLOR_STEP = 2 * VEC_WIDTH };

VEC_FN void ycc_to_rgb8_row(const int16_t *y, const int16_t *cb, const int16_t *cr, int n, uint8_t *rgb) {
    for (int i = 0; i < n; i += COLOR_STEP) {
        const int x = i + COLOR_STEP <= n ? i : n - COLOR_STEP;
        const ColorRgb a = color_to_rgb(y + x, cb + x, cr + x);
        const ColorRgb b = color_to_rgb(y + x + VEC_WIDTH, cb + x + VEC_WIDTH, cr + x + VEC_WIDTH);
        vec_store_rgb8(rgb + 3 * x, color_bytes(a.r, b.r), color_bytes(a.g, b.g), color_bytes(a.b, b.b));
    }
}

VEC_FN void y_to_grey8_row(const int16_t *y, int n, uint8_t *grey) {
    for (int i = 0; i < n; i += COLOR_STEP) {
        const int x = i + COLOR_STEP <= n ? i : n - COLOR_STEP;
        vec_store(grey + x, color_bytes(vec_load(y + x), vec_load(y + x + VEC_WIDTH)));
    }
}
