/* SPDX-License-Identifier: Apache-2.0
 * Bytes choose a small picture, a plan and options. Promises: what the encoder accepts the decoder reads; the coefficients come back
 * as they were quantised, SKIP blocks aside; at the highest effort, and in a JPEG of many levels, none is further from zero than rounding
 * makes it; two threads give the bytes of one. */
#include <string.h>

#include "rdct.h"
#include "target.h"

enum { MAX_SIDE = 72, LEVELS = 4 };

typedef struct Source {
    const uint8_t *data;
    size_t size, at;
} Source;

/* The input, repeated: short inputs still make whole pictures. */
static uint8_t take(Source *source) {
    if (source->size == 0)
        return 0;
    return source->data[source->at++ % source->size];
}

static void fill_plan(Source *source, uint16_t *tables, uint8_t *map, size_t regions, int skip) {
    for (int i = 0; i < LEVELS * 192; i++)
        tables[i] = (uint16_t)(1 + (take(source) * (1 + i / 192)) % RDCT_MAX_STEP);
    for (size_t i = 0; i < regions; i++) {
        const uint8_t value = take(source);
        map[i] = skip && value % 5 == 4 ? RDCT_SKIP : value % LEVELS;
    }
}

static void encode_twice(const RdctImage *image, const RdctPlan *plan, const RdctEncodeOptions *options, uint8_t **stream, size_t *size) {
    *stream = NULL;
    for (int threads = 1; threads <= 2; threads++) {
        RdctContext *ctx = NULL;
        size_t bytes = 0;
        RdctError err;
        FUZZ_REQUIRE(rdct_context_create(threads, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
        if (rdct_encode(ctx, image, plan, options, &bytes, NULL, &err) == RDCT_OK) {
            uint8_t *copy = malloc(bytes);
            size_t bound = 0;
            FUZZ_REQUIRE(copy != NULL && rdct_take_output(ctx, copy, bytes, NULL) == RDCT_OK);
            FUZZ_REQUIRE(rdct_encode_bound(image->width, image->height, options->subsampling, &bound, NULL) == RDCT_OK && bytes <= bound);
            if (*stream != NULL) {
                FUZZ_REQUIRE(bytes == *size && memcmp(copy, *stream, bytes) == 0);
                free(copy);
            } else {
                *stream = copy;
                *size = bytes;
            }
        } else {
            FUZZ_REQUIRE(*stream == NULL && err.status == RDCT_ERR_ARGUMENT);
        }
        rdct_context_destroy(ctx);
    }
}

/* What plain rounding gives bounds what a search leaves. */
static void check_bounded(const int16_t *rounded, const int16_t *found, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const int same_sign = rounded[i] < 0 ? found[i] <= 0 : found[i] >= 0;
        FUZZ_REQUIRE(same_sign && abs(found[i]) <= abs(rounded[i]) && (i % 64 != 0 || found[i] == rounded[i]));
    }
}

/* The table of a JPEG file as a plan of one level. */
static void plan_of_file(const uint8_t *stream, size_t size, const RdctPlan *plan, uint16_t *tables, uint8_t *map, RdctTableSet *set,
                         RdctPlan *one) {
    for (int i = 0; i < 192; i++)
        tables[i] = 1; /* a grey file has one table */
    memset(map, 0, (size_t)plan->map_rows * (size_t)plan->map_cols);
    FUZZ_REQUIRE(rdct_read_header_arrays(stream, size, NULL, 0, tables, NULL, NULL) == RDCT_OK);
    *set = (RdctTableSet){{0}, 1, tables, NULL, NULL, 0, NULL};
    *one = (RdctPlan){set, RDCT_SCALE_ONE, plan->region_blocks, map, plan->map_rows, plan->map_cols};
}

static void compare_coefficients(const RdctImage *image, const RdctPlan *plan, int subsampling, int has_skip, int effort, int bounded,
                                 const uint8_t *stream, size_t size) {
    RdctContext *ctx = NULL;
    RdctCoefficients wanted = {0}, got;
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    FUZZ_REQUIRE(rdct_geometry(image->width, image->height, subsampling, &wanted, NULL, NULL) == RDCT_OK);
    got = wanted;
    for (int c = 0; c < wanted.components; c++) {
        const size_t count = (size_t)wanted.blocks_wide[c] * (size_t)wanted.blocks_high[c] * 64;
        wanted.planes[c] = calloc(count, sizeof(int16_t));
        got.planes[c] = calloc(count, sizeof(int16_t));
        FUZZ_REQUIRE(wanted.planes[c] != NULL && got.planes[c] != NULL);
    }
    RdctDecodeOptions options = {0};
    options.max_pixels = FUZZ_MAX_PIXELS;
    FUZZ_REQUIRE(rdct_quantize(ctx, image, plan, subsampling, bounded ? 0 : effort, &wanted, NULL) == RDCT_OK);
    FUZZ_REQUIRE(rdct_decode_coefficients(ctx, stream, size, &options, &got, NULL) == RDCT_OK);
    for (int c = 0; c < wanted.components; c++) {
        const size_t count = (size_t)wanted.blocks_wide[c] * (size_t)wanted.blocks_high[c] * 64;
        if (bounded && !has_skip)
            check_bounded(wanted.planes[c], got.planes[c], count);
        else if (!has_skip)
            FUZZ_REQUIRE(memcmp(wanted.planes[c], got.planes[c], count * sizeof(int16_t)) == 0);
        free(wanted.planes[c]);
        free(got.planes[c]);
    }
    rdct_context_destroy(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    Source source = {data, size, 0};
    RdctEncodeOptions options = {0};
    options.subsampling = take(&source) % 4;
    const int entropy = take(&source);
    options.format = take(&source) % 4 == 3 ? RDCT_FORMAT_JPEG : RDCT_FORMAT_RDCT;
    options.entropy = entropy % (options.format == RDCT_FORMAT_JPEG ? 2 : 3);
    options.effort = entropy / 6 % (RDCT_MAX_EFFORT + 1);
    options.slice_rows = take(&source) % 4;
    const int width = 1 + take(&source) % MAX_SIDE, height = 1 + take(&source) % MAX_SIDE;
    const int region_blocks = 1 + take(&source) % RDCT_MAX_REGION_BLOCKS, more = take(&source) % 2;
    const int is_jpeg = options.format == RDCT_FORMAT_JPEG, skip = more && !is_jpeg, many = more && is_jpeg;
    const int channels = options.subsampling == RDCT_GREY ? 1 : 3;
    const int side = 8 * region_blocks;
    uint16_t tables[LEVELS * 192];
    uint8_t map[81 * 81];
    RdctTableSet set = {{0}, LEVELS, tables, NULL, NULL, 0, NULL};
    RdctPlan plan = {&set, 64 + 8 * take(&source), region_blocks, map, (height + side - 1) / side, (width + side - 1) / side};
    fill_plan(&source, tables, map, (size_t)plan.map_rows * (size_t)plan.map_cols, skip);
    if (is_jpeg && !many) {
        set.levels = 1;
        memset(map, 0, sizeof map);
        for (int i = 0; i < 192; i++)
            tables[i] = (uint16_t)(1 + tables[i] % 60);
        plan.scale = RDCT_SCALE_ONE;
    }
    uint8_t *pixels = malloc((size_t)width * (size_t)height * (size_t)channels);
    FUZZ_REQUIRE(pixels != NULL);
    for (size_t i = 0; i < (size_t)width * (size_t)height * (size_t)channels; i++)
        pixels[i] = take(&source);
    const RdctImage image = {pixels, (ptrdiff_t)width * channels, width, height, channels};
    uint8_t *stream = NULL;
    size_t bytes = 0;
    encode_twice(&image, &plan, &options, &stream, &bytes);
    if (stream != NULL && many) {
        uint16_t base[192];
        uint8_t zeros[81 * 81];
        RdctTableSet base_set;
        RdctPlan one;
        plan_of_file(stream, bytes, &plan, base, zeros, &base_set, &one);
        compare_coefficients(&image, &one, options.subsampling, 0, 0, 1, stream, bytes);
    } else if (stream != NULL) {
        compare_coefficients(&image, &plan, options.subsampling, skip, options.effort, options.effort == RDCT_MAX_EFFORT, stream, bytes);
    }
    free(stream);
    free(pixels);
    return 0;
}
