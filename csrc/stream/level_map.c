/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/level_map.h"

#include <stdlib.h>
#include <string.h>

#include "common/status.h"
#include "stream/level_map_defaults.h"

enum { SETS = 8, INNER_SETS = 5, FRACTIONS = 4, MORE = 5 };

typedef struct Models {
    RdctMapCoding coding;
    int levels;
    RdctBitModel skip[3];
    RdctResidualModel residual;                                                    /* PLAIN */
    RdctBitModel differs[SETS][2], below[INNER_SETS][FRACTIONS], more[SETS][MORE]; /* TRAINED */
} Models;

static void models_init(Models *models, RdctMapCoding coding, int levels) {
    models->coding = coding;
    models->levels = levels;
    for (int i = 0; i < 3; i++)
        rdct_bit_model_init(&models->skip[i]);
    rdct_residual_model_init(&models->residual);
    for (int q = 0; q < SETS; q++) {
        for (int i = 0; i < 2; i++)
            rdct_bit_model_init_known(&models->differs[q][i], start_differs[q][i]);
        for (int i = 0; q < INNER_SETS && i < FRACTIONS; i++)
            rdct_bit_model_init_known(&models->below[q][i], start_below[q][i]);
        for (int i = 0; i < MORE; i++)
            rdct_bit_model_init_known(&models->more[q][i], start_more[q][i]);
    }
}

/* What is known of a region from its coded neighbours: the levels there, absent ones filled. */
typedef struct Surroundings {
    int w, n, nw, ne, activity;
} Surroundings;

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

static Surroundings look_around(const uint8_t *map, int cols, int levels, int row, int col) {
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
    return (Surroundings){w, n, nw, ne, abs(w - n) + abs(n - ne) + abs(w - nw)};
}

static int clamp(int value, int low, int high) {
    return value < low ? low : value > high ? high : value;
}

static int activity_class(int activity) {
    return (activity > 0) + (activity > 2) + (activity > 5) + (activity > 10);
}

typedef struct Prediction {
    RdctResidualContexts contexts;
    int level;
} Prediction;

/* Plateaus at the ends of the range, where a map is clipped, are not like other flat places. */
static Prediction predict_plain(Models *models, const Surroundings *around) {
    const int level = (3 * around->w + 2 * around->n + 2 * around->ne + around->nw + 4) >> 3;
    int q = activity_class(around->activity);
    if (around->activity == 0)
        q = level == 0 ? 5 : level == models->levels - 1 ? 6 : 0;
    return (Prediction){rdct_residual_contexts(&models->residual, q), level};
}

static Prediction predict_trained(Models *models, const Surroundings *around) {
    const int highest = models->levels - 1, pull = clamp(models->levels / 2 - around->w, -7, 7);
    const int fine = clamp(10 * around->w + 6 * around->n - 2 * around->nw + 2 * around->ne + pull, 0, 16 * highest);
    const int level = (fine + 8) >> 4, fraction = (fine - 16 * level + 8) >> 2;
    int q = activity_class(around->activity);
    if (level == 0 && around->activity == 0)
        q = 5;
    else if (level == highest)
        q = around->activity == 0 ? 6 : 7;
    RdctBitModel *below = q < INNER_SETS ? models->below[q] + fraction : NULL; /* at a bound nobody asks */
    return (Prediction){{&models->differs[q][fraction == 0 || fraction == 3], below, models->more[q], MORE}, level};
}

static Prediction predict(Models *models, const uint8_t *map, int cols, int row, int col) {
    const Surroundings around = look_around(map, cols, models->levels, row, col);
    return models->coding == RDCT_MAP_TRAINED ? predict_trained(models, &around) : predict_plain(models, &around);
}

static RdctBitModel *skip_model(Models *models, const uint8_t *map, int cols, int row, int col) {
    return &models->skip[is_skip(map, cols, row, col - 1) + is_skip(map, cols, row - 1, col)];
}

void rdct_level_map_write(RdctRangeEncoder *range, RdctMapCoding coding, const uint8_t *map, int rows, int cols, int levels) {
    Models models;
    models_init(&models, coding, levels);
    const int any_skip = memchr(map, RDCT_SKIP, (size_t)rows * (size_t)cols) != NULL;
    rdct_range_encode_raw(range, any_skip);
    for (int row = 0; row < rows; row++)
        for (int col = 0; col < cols; col++) {
            const uint8_t value = map[(size_t)row * (size_t)cols + (size_t)col];
            if (any_skip)
                rdct_range_encode(range, skip_model(&models, map, cols, row, col), value == RDCT_SKIP);
            if (value == RDCT_SKIP || levels == 1)
                continue;
            const Prediction prediction = predict(&models, map, cols, row, col);
            rdct_residual_encode_in(range, &prediction.contexts, prediction.level, 0, levels - 1, value);
        }
}

void rdct_level_map_read(RdctRangeDecoder *range, RdctMapCoding coding, uint8_t *map, int rows, int cols, int levels) {
    Models models;
    models_init(&models, coding, levels);
    const int any_skip = rdct_range_decode_raw(range);
    for (int row = 0; row < rows; row++)
        for (int col = 0; col < cols; col++) {
            uint8_t value = 0;
            if (any_skip && rdct_range_decode(range, skip_model(&models, map, cols, row, col))) {
                value = RDCT_SKIP;
            } else if (levels > 1) {
                const Prediction prediction = predict(&models, map, cols, row, col);
                value = (uint8_t)rdct_residual_decode_in(range, &prediction.contexts, prediction.level, 0, levels - 1);
            }
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
    rdct_level_map_write(&range, RDCT_MAP_PLAIN, map, rows, cols, levels);
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
    rdct_level_map_read(&range, RDCT_MAP_PLAIN, map, rows, cols, levels);
    if (!rdct_range_decoder_at_end(&range))
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "map_section", (int64_t)size, -1, "a coded level map is longer than its contents");
    return RDCT_OK;
}
