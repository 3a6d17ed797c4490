/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/level_map.h"

#include <stdlib.h>
#include <string.h>

/* What is known of a region from its coded neighbours. */
typedef struct Surroundings {
    int skip_context, prediction, set;
} Surroundings;

typedef struct Models {
    RdctBitModel skip[3];
    RdctResidualModel residual;
} Models;

static void models_init(Models *models) {
    for (int i = 0; i < 3; i++)
        rdct_bit_model_init(&models->skip[i]);
    rdct_residual_model_init(&models->residual);
}

enum { ABSENT = -1 };

static int neighbour(const uint8_t *map, int cols, int row, int col) {
    if (row < 0 || col < 0 || col >= cols)
        return ABSENT;
    const uint8_t value = map[(size_t)row * (size_t)cols + (size_t)col];
    return value == RDCT_SKIP ? ABSENT : value;
}

static int is_skip(const uint8_t *map, int cols, int row, int col) {
    return row >= 0 && col >= 0 && map[(size_t)row * (size_t)cols + (size_t)col] == RDCT_SKIP;
}

/* Plateaus at the ends of the range, where a map is clipped, are not like other flat places. */
static int context_set(int activity, int prediction, int levels) {
    if (activity == 0)
        return prediction == 0 ? 5 : prediction == levels - 1 ? 6 : 0;
    return activity <= 2 ? 1 : activity <= 5 ? 2 : activity <= 10 ? 3 : 4;
}

static Surroundings look_around(const uint8_t *map, int cols, int levels, int row, int col) {
    Surroundings around;
    int w = neighbour(map, cols, row, col - 1), n = neighbour(map, cols, row - 1, col);
    int nw = neighbour(map, cols, row - 1, col - 1), ne = neighbour(map, cols, row - 1, col + 1);
    if (w == ABSENT)
        w = n != ABSENT ? n : levels / 2;
    if (n == ABSENT)
        n = w;
    if (nw == ABSENT)
        nw = n;
    if (ne == ABSENT)
        ne = n;
    const int activity = abs(w - n) + abs(n - ne) + abs(w - nw);
    around.skip_context = is_skip(map, cols, row, col - 1) + is_skip(map, cols, row - 1, col);
    around.prediction = (3 * w + 2 * n + 2 * ne + nw + 4) >> 3;
    around.set = context_set(activity, around.prediction, levels);
    return around;
}

void rdct_level_map_write(RdctRangeEncoder *range, const uint8_t *map, int rows, int cols, int levels) {
    Models models;
    models_init(&models);
    const int any_skip = memchr(map, RDCT_SKIP, (size_t)rows * (size_t)cols) != NULL;
    rdct_range_encode_raw(range, any_skip);
    for (int row = 0; row < rows; row++)
        for (int col = 0; col < cols; col++) {
            const Surroundings around = look_around(map, cols, levels, row, col);
            const uint8_t value = map[(size_t)row * (size_t)cols + (size_t)col];
            if (any_skip)
                rdct_range_encode(range, &models.skip[around.skip_context], value == RDCT_SKIP);
            if (value != RDCT_SKIP && levels > 1)
                rdct_residual_encode(range, &models.residual, around.set, around.prediction, 0, levels - 1, value);
        }
}

void rdct_level_map_read(RdctRangeDecoder *range, uint8_t *map, int rows, int cols, int levels) {
    Models models;
    models_init(&models);
    const int any_skip = rdct_range_decode_raw(range);
    for (int row = 0; row < rows; row++)
        for (int col = 0; col < cols; col++) {
            const Surroundings around = look_around(map, cols, levels, row, col);
            uint8_t value = 0;
            if (any_skip && rdct_range_decode(range, &models.skip[around.skip_context]))
                value = RDCT_SKIP;
            else if (levels > 1)
                value = (uint8_t)rdct_residual_decode(range, &models.residual, around.set, around.prediction, 0, levels - 1);
            map[(size_t)row * (size_t)cols + (size_t)col] = value;
        }
}
