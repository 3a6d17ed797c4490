/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/blockmodel.h"

#include "common/tables.h"
#include "stream/blockmodel_defaults.h"

#include <string.h>

/* Ends above 4 come in ranges; plain bits say where in the range. */
const uint8_t rdct_end_first[RDCT_END_CLASSES] = {0, 1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49};
const uint8_t rdct_end_bits[RDCT_END_CLASSES] = {0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4};
const uint8_t rdct_end_class[64] = {
    0,  1,  2,  3,  4,  5,  5,  6,  6,  7,  7,  7,  7,  8,  8,  8,  8,  9,  9,  9,  9,  9,  9,  9,  9,  10, 10, 10, 10, 10, 10, 10,
    10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 11, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12,
};

const uint8_t rdct_model_band[64] = {
    0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6,
    6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8,
};
const uint8_t rdct_model_position[64] = {
    0,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 16, 16, 17, 17, 17, 18, 18, 18, 19, 19, 19, 20, 20, 20,
    21, 21, 21, 22, 22, 22, 23, 23, 23, 24, 24, 24, 25, 25, 25, 26, 26, 26, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27, 27,
};

/* Classes of sums: 0, 1, 2, 3, 5, 8, 13, 22 and above. */
#define CLASSES                                                                                                                       \
    {0, 1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, \
     7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, \
     7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7}
const uint8_t rdct_around_class[128] = CLASSES;
const uint8_t rdct_beside_class[128] = CLASSES;
/* 0, 1, 2, 3, 4, 6, 9, 13, 19, 28, 42 and above. */
const uint8_t rdct_both_class[192] = {
    0,  1,  2,  3,  4,  4,  5,  5,  5,  6,  6,  6,  6,  7,  7,  7,  7,  7,  7,  8,  8,  8,  8,  8,  8,  8,  8,  8,  9,  9,  9,  9,
    9,  9,  9,  9,  9,  9,  9,  9,  9,  9,  10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
    10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
    10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
    10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10,
    10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10};
/* 0, 1, 2, 3, 5, 8, 12, 18, 27 and above. */
static const uint8_t busy_class[64] = {0, 1, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 8, 8, 8, 8,
                                       8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8};
const uint8_t rdct_model_around[64][5] = {
    {1, 2, 4, 5, 3},      {5, 4, 7, 6, 8},      {4, 3, 8, 7, 9},      {8, 9, 11, 12, 10},   {7, 8, 12, 13, 11},   {6, 7, 13, 14, 12},
    {14, 13, 16, 15, 17}, {13, 12, 17, 16, 18}, {12, 11, 18, 17, 19}, {11, 10, 19, 18, 20}, {19, 20, 22, 23, 21}, {18, 19, 23, 24, 22},
    {17, 18, 24, 25, 23}, {16, 17, 25, 26, 24}, {15, 16, 26, 27, 25}, {27, 26, 29, 28, 30}, {26, 25, 30, 29, 31}, {25, 24, 31, 30, 32},
    {24, 23, 32, 31, 33}, {23, 22, 33, 32, 34}, {22, 21, 34, 33, 35}, {34, 35, 36, 37, 64}, {33, 34, 37, 38, 36}, {32, 33, 38, 39, 37},
    {31, 32, 39, 40, 38}, {30, 31, 40, 41, 39}, {29, 30, 41, 42, 40}, {28, 29, 42, 64, 41}, {64, 42, 64, 64, 43}, {42, 41, 43, 64, 44},
    {41, 40, 44, 43, 45}, {40, 39, 45, 44, 46}, {39, 38, 46, 45, 47}, {38, 37, 47, 46, 48}, {37, 36, 48, 47, 64}, {36, 64, 64, 48, 64},
    {48, 64, 64, 49, 64}, {47, 48, 49, 50, 64}, {46, 47, 50, 51, 49}, {45, 46, 51, 52, 50}, {44, 45, 52, 53, 51}, {43, 44, 53, 64, 52},
    {64, 43, 64, 64, 53}, {64, 53, 64, 64, 54}, {53, 52, 54, 64, 55}, {52, 51, 55, 54, 56}, {51, 50, 56, 55, 57}, {50, 49, 57, 56, 64},
    {49, 64, 64, 57, 64}, {57, 64, 64, 58, 64}, {56, 57, 58, 59, 64}, {55, 56, 59, 60, 58}, {54, 55, 60, 64, 59}, {64, 54, 64, 64, 60},
    {64, 60, 64, 64, 61}, {60, 59, 61, 64, 62}, {59, 58, 62, 61, 64}, {58, 64, 64, 62, 64}, {62, 64, 64, 63, 64}, {61, 62, 63, 64, 64},
    {64, 61, 64, 64, 63}, {64, 63, 64, 64, 64}, {63, 64, 64, 64, 64}, {64, 64, 64, 64, 64}};

void rdct_model_steps_init(RdctModelSteps *steps, const uint16_t *natural) {
    for (int k = 0; k < 64; k++) {
        const uint32_t step = natural[rdct_zigzag[k]], reciprocal = (65536 + step - 1) / step;
        steps->step[k] = (uint16_t)step;
        steps->reciprocal[k] = (uint16_t)(reciprocal < 65536 ? reciprocal : 65535);
    }
    steps->dc = rdct_dc_step(natural[0]);
}

static void init_all(RdctDistribution *distributions, int count, const uint8_t *hazards, int each) {
    for (int i = 0; i < count; i++)
        rdct_distribution_init(&distributions[i], hazards + i * each, each);
}

void rdct_block_model_init(RdctBlockModel *model) {
    enum { SHORT = sizeof default_last[0], LONG = sizeof default_dc[0] };
    init_all(&model->dc[0][0], 2 * RDCT_GRADIENTS, default_dc[0], LONG);
    init_all(&model->end_by_ends[0][0], 2 * RDCT_END_CLASSES, default_end_by_ends[0], LONG);
    init_all(&model->end_by_busy[0][0][0], 2 * RDCT_BUSY_CLASSES * RDCT_GRADIENTS, default_end_by_busy[0], LONG);
    init_all(&model->last[0][0][0], 2 * RDCT_BANDS * RDCT_BESIDE_CLASSES, default_last[0], SHORT);
    init_all(&model->by_band[0][0][0][0], 2 * RDCT_BANDS * RDCT_AROUND_CLASSES * RDCT_BESIDE_CLASSES, default_by_band[0], SHORT);
    init_all(&model->by_position[0][0][0], 2 * RDCT_POSITIONS * RDCT_BOTH_CLASSES, default_by_position[0], SHORT);
}

/* 2 (left + above), or 4 times the only one there is, in steps; twice the other component's magnitudes added; the number of places where
 * something is expected. */
static int expect(const uint16_t *a, const uint16_t *b, const uint16_t *reciprocal, const uint8_t *same, uint8_t *beside) {
    int busy = 0;
    for (int k = 0; k < 64; k++) {
        const uint16_t sum = (uint16_t)(2 * (a[k] + b[k])); /* at most 8188 */
        const uint16_t expected = (uint16_t)(((uint32_t)sum * reciprocal[k] >> 16) + 2u * same[k]);
        beside[k] = (uint8_t)(expected < 127 ? expected : 127);
    }
    for (int k = 1; k < 64; k++)
        busy += beside[k] >= 2;
    return busy;
}

static int absolute(int value) {
    return value < 0 ? -value : value;
}

/* The median of left, above and left + above - left above. */
static int median(int left, int above, int left_above) {
    const int plane = left + above - left_above, low = left < above ? left : above, high = left < above ? above : left;
    return rdct_clamp(plane, low, high);
}

void rdct_block_context(const RdctRowPlace *place, const RdctModelSteps *steps, const RdctNeighbour *same, RdctBlockContext *context) {
    static const RdctNeighbour nothing;
    const RdctNeighbour *row = place->row;
    const int x = place->x, has_left = x > 0 && row[x - 1].coded, has_above = place->above && row[x].coded;
    const RdctNeighbour *left = has_left ? &row[x - 1] : has_above ? &row[x] : &nothing;
    const RdctNeighbour *above = has_above ? &row[x] : left;
    const int right_above = has_above && x + 1 < place->wide && row[x + 1].coded ? row[x + 1].dc : above->dc;
    const int left_above = has_left && has_above && place->left_above_coded ? place->left_above_dc : above->dc;
    const int gradient = absolute(left->dc - left_above) + absolute(above->dc - left_above) + absolute(right_above - above->dc);
    const uint32_t in_steps = (uint32_t)((uint64_t)(uint32_t)gradient * steps->dc.reciprocal >> RDCT_DC_RECIPROCAL_BITS);
    const int bits = in_steps == 0 ? 0 : rdct_bit_width(in_steps);
    const RdctDcStep one = {1, 0};
    context->gradient = bits < RDCT_GRADIENTS ? bits : RDCT_GRADIENTS - 1;
    context->dc = rdct_predict_dc(median(left->dc, above->dc, left_above), one, steps->dc);
    context->busy = busy_class[expect(left->magnitude, above->magnitude, steps->reciprocal, same != NULL ? same->small : nothing.small,
                                      context->beside)];
    context->ends = left == &nothing ? RDCT_END_CLASSES / 2 : rdct_end_class[(left->end + above->end + 1) >> 1];
}
