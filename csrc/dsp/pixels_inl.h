/* SPDX-License-Identifier: Apache-2.0
 * Pixels in and out where no load takes them apart and no store weaves them: by shuffles, and multiply-add of 16-bit pairs. */
#ifndef VEC_FN
#error "include one of the vec_*.h"
#endif

/* Two 16-bit factors, in the order of a pair in memory. */
VEC_FN Vec ycc_factors(int first, int second) {
    return vec_set32((int)((uint32_t)second << 16 | ((uint32_t)first & 0xFFFF)));
}

/* Four pixels in each lane as pairs (R, G) and (B, 1). */
typedef struct YccQuads {
    Vec red_green, blue_one;
} YccQuads;

/* Pixels begin at byte `first` (0 or 4) of each lane. */
VEC_FN YccQuads ycc_split(Vec rgb, int first) {
    static const uint8_t red_green[2][16] = {
        {0, 0x80, 1, 0x80, 3, 0x80, 4, 0x80, 6, 0x80, 7, 0x80, 9, 0x80, 10, 0x80},
        {4, 0x80, 5, 0x80, 7, 0x80, 8, 0x80, 10, 0x80, 11, 0x80, 13, 0x80, 14, 0x80},
    };
    static const uint8_t blue[2][16] = {
        {2, 0x80, 0x80, 0x80, 5, 0x80, 0x80, 0x80, 8, 0x80, 0x80, 0x80, 11, 0x80, 0x80, 0x80},
        {6, 0x80, 0x80, 0x80, 9, 0x80, 0x80, 0x80, 12, 0x80, 0x80, 0x80, 15, 0x80, 0x80, 0x80},
    };
    const YccQuads quads = {
        vec_shuffle_bytes_lanes(rgb, vec_repeat(red_green[first / 4])),
        vec_or(vec_shuffle_bytes_lanes(rgb, vec_repeat(blue[first / 4])), ycc_factors(0, 1)),
    };
    return quads;
}

VEC_FN Vec ycc_weigh(YccQuads a, YccQuads b, int red, int green, int blue) {
    const Vec red_green = ycc_factors(red, green), blue_one = ycc_factors(blue, 2048);
    const Vec low = vec_add32(vec_madd(a.red_green, red_green), vec_madd(a.blue_one, blue_one));
    const Vec high = vec_add32(vec_madd(b.red_green, red_green), vec_madd(b.blue_one, blue_one));
    return vec_pack32_lanes(vec_sra32(low, 12), vec_sra32(high, 12));
}

/* VEC_WIDTH pixels. Eight are 24 bytes: the first four and the last four, without a look beyond them. */
VEC_FN void vec_rgb_to_ycc(const uint8_t *rgb, int16_t *y, int16_t *cb, int16_t *cr) {
    const YccQuads a = ycc_split(vec_load_lanes(rgb, 24), 0);
    const YccQuads b = ycc_split(vec_load_lanes(rgb + 8, 24), 4);
    vec_store(y, vec_sub(ycc_weigh(a, b, 9798, 19235, 3735), vec_set(1024)));
    vec_store(cb, ycc_weigh(a, b, -5529, -10855, 16384));
    vec_store(cr, ycc_weigh(a, b, 16384, -13720, -2664));
}

/* VEC_WIDTH pixels from as many 16-bit samples of each colour: as they are, or as floats where they are sixteenths. */
VEC_FN void vec_store_rgb16(uint16_t *p, Vec r, Vec g, Vec b) {
    Vec v[3] = {r, g, b};
    vec_weave16(v);
    for (int i = 0; i < 3; i++)
        vec_store(p + VEC_WIDTH * i, v[i]);
}

VEC_FN void vec_store_rgbf(float *p, Vec r, Vec g, Vec b) {
    Vec v[3] = {r, g, b};
    vec_weave16(v);
    for (int i = 0; i < 3; i++)
        vec_store_float(p + VEC_WIDTH * i, v[i]);
}
