/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/level_map.h"

#include <stdlib.h>
#include <string.h>

#include "common/status.h"

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

/* A decision costs at most 10 bits and a little (P is at least 64 / 65536), a region at most a SKIP flag and `levels` + 1 decisions. */
size_t rdct_level_map_bound(int rows, int cols, int levels) {
    const size_t regions = (size_t)rows * (size_t)cols, decisions = levels > 1 ? (size_t)levels + 2 : 1;
    return regions * (decisions * 11 / 8 + 1) + 8;
}

enum { MAX_MAP_SIDE = (RDCT_MAX_SIDE + 7) / 8 };

static int check_shape(int rows, int cols, int levels, RdctError *err) {
    if (rows < 1 || rows > MAX_MAP_SIDE || cols < 1 || cols > MAX_MAP_SIDE)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "map_shape", "a level map has 1..%d rows and columns, not %d x %d", MAX_MAP_SIDE, rows,
                         cols);
    if (levels < 1 || levels > RDCT_MAX_LEVELS)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "levels", "levels is %d, outside 1..%d", levels, RDCT_MAX_LEVELS);
    return RDCT_OK;
}

int rdct_encode_level_map(const uint8_t *map, int rows, int cols, int levels, uint8_t *out, size_t *size, RdctError *err) {
    if (!map || !out || !size)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "map, out and size must not be NULL");
    rdct_error_clear(err);
    RDCT_TRY(check_shape(rows, cols, levels, err));
    for (size_t i = 0; i < (size_t)rows * (size_t)cols; i++)
        if (map[i] >= levels && map[i] != RDCT_SKIP)
            return rdct_fail(err, RDCT_ERR_ARGUMENT, "map_level", "the level map holds %d, neither below %d nor SKIP", map[i], levels);
    RdctRangeEncoder range;
    rdct_range_encoder_init(&range, out, *size);
    rdct_level_map_write(&range, map, rows, cols, levels);
    const size_t coded = rdct_range_encoder_finish(&range);
    if (range.overflow)
        return rdct_fail_limit(err, RDCT_ERR_BUFFER_SMALL, "capacity", (int64_t)*size, (int64_t)rdct_level_map_bound(rows, cols, levels),
                               "the coded level map needs more than %lld bytes", (long long)*size);
    *size = coded;
    return RDCT_OK;
}

int rdct_decode_level_map(const uint8_t *data, size_t size, int rows, int cols, int levels, uint8_t *map, RdctError *err) {
    if ((!data && size > 0) || !map)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "data and map must not be NULL");
    rdct_error_clear(err);
    RDCT_TRY(check_shape(rows, cols, levels, err));
    if (size > 0 && data[size - 1] == 0)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "map_section", (int64_t)size - 1, -1, "a coded level map ends in a zero byte");
    static const uint8_t nothing = 0; /* pointer arithmetic on NULL is undefined */
    RdctRangeDecoder range;
    rdct_range_decoder_init(&range, size > 0 ? data : &nothing, size);
    rdct_level_map_read(&range, map, rows, cols, levels);
    if (!rdct_range_decoder_at_end(&range))
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "map_section", (int64_t)size, -1, "a coded level map is longer than its contents");
    return RDCT_OK;
}
