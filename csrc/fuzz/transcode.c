/* SPDX-License-Identifier: Apache-2.0
 * The first byte chooses how to write; the rest is a stream (its checksums are made right) or a JPEG file, or, if the byte is 16 or more,
 * says what is in a small picture: size, tables, levels and values, all as wild as a stream allows. Promises: the coefficients of what was read are written and
 * come back as they are, in either format; merging levels keeps every dequantised coefficient; the only values refused are those that
 * baseline categories cannot hold. */
#include "coefficients.h"

#include "common/layout.h"
#include "seal.h"

typedef struct Picture {
    RdctHeader header;
    uint16_t *tables; /* [levels][3][64] */
    uint8_t *level_map;
    RdctTableSet set;
    RdctPlan plan;
    RdctCoefficients coefficients;
} Picture;

/* 0 if the data are no picture that can be written again. */
static int open_picture(RdctContext *ctx, const uint8_t *data, size_t size, Picture *picture) {
    const RdctDecodeOptions options = decode_options();
    RdctHeader *header = &picture->header;
    if (rdct_read_header(data, size, header, NULL) != RDCT_OK || (int64_t)header->width * header->height > FUZZ_MAX_PIXELS ||
        header->tables_by_id)
        return 0;
    picture->coefficients = new_coefficients(header->width, header->height, header->subsampling);
    if (rdct_decode_coefficients(ctx, data, size, &options, &picture->coefficients, NULL) != RDCT_OK) {
        free_coefficients(&picture->coefficients);
        return 0;
    }
    picture->tables = malloc((size_t)header->levels * 192 * sizeof(uint16_t));
    picture->level_map = malloc((size_t)header->map_rows * (size_t)header->map_cols);
    FUZZ_REQUIRE(picture->tables != NULL && picture->level_map != NULL);
    FUZZ_REQUIRE(rdct_read_header_arrays(data, size, NULL, 0, picture->tables, picture->level_map, NULL) == RDCT_OK);
    if (header->components == 1)
        for (int i = 0; i < header->levels; i++) /* a grey stream says nothing of chroma, but a table set must */
            for (int c = 1; c < 3; c++)
                memcpy(picture->tables + (3 * i + c) * 64, picture->tables + 3 * i * 64, 64 * sizeof(uint16_t));
    picture->set = (RdctTableSet){{0}, header->levels, picture->tables, NULL, NULL, 0, NULL};
    picture->plan = (RdctPlan){&picture->set, header->scale, header->region_blocks, picture->level_map, header->map_rows, header->map_cols};
    return 1;
}

/* The input, repeated: short inputs still make whole pictures. */
typedef struct Source {
    const uint8_t *data;
    size_t size, at;
} Source;

static int take(Source *source) {
    return source->size == 0 ? 0 : source->data[source->at++ % source->size];
}

/* Values in use are few and mostly small, steps share factors: else nothing would ever have a common table. */
static void make_picture(Source source, Picture *picture) {
    RdctHeader *header = &picture->header;
    memset(header, 0, sizeof *header);
    header->subsampling = take(&source) % 4;
    header->components = header->subsampling == RDCT_GREY ? 1 : 3;
    header->width = 1 + take(&source) % 40;
    header->height = 1 + take(&source) % 40;
    header->region_blocks = 1 + take(&source) % 3;
    header->levels = 1 + take(&source) % 4;
    header->scale = 1 + 2 * take(&source);
    const int side = 8 * header->region_blocks, factor = 1 + take(&source) % 64;
    header->map_rows = (header->height + side - 1) / side;
    header->map_cols = (header->width + side - 1) / side;
    picture->tables = malloc((size_t)header->levels * 192 * sizeof(uint16_t));
    picture->level_map = malloc((size_t)header->map_rows * (size_t)header->map_cols);
    FUZZ_REQUIRE(picture->tables != NULL && picture->level_map != NULL);
    for (int i = 0; i < header->levels * 192; i++)
        picture->tables[i] = (uint16_t)(1 + factor * take(&source) % RDCT_MAX_STEP);
    for (int i = 0; i < header->map_rows * header->map_cols; i++)
        picture->level_map[i] = (uint8_t)(take(&source) % header->levels);
    picture->coefficients = new_coefficients(header->width, header->height, header->subsampling);
    for (int c = 0; c < header->components; c++) {
        const size_t count = coefficient_bytes(&picture->coefficients, c) / sizeof(int16_t);
        for (size_t i = 0; i < count; i++) {
            const int byte = take(&source), large = byte > 250 ? (take(&source) - 128) * 8 - 1 : 0;
            picture->coefficients.planes[c][i] = (int16_t)(byte > 250        ? large < -1023 ? -1023 : large
                                                           : byte % 16 == 15 ? byte / 16 - 8
                                                                             : 0);
        }
    }
    picture->set = (RdctTableSet){{0}, header->levels, picture->tables, NULL, NULL, 0, NULL};
    picture->plan = (RdctPlan){&picture->set, header->scale, header->region_blocks, picture->level_map, header->map_rows, header->map_cols};
}

static void close_picture(Picture *picture) {
    free_coefficients(&picture->coefficients);
    free(picture->tables);
    free(picture->level_map);
}

/* Writes, reads again, compares, and writes what was read: the same bytes. */
static void write_and_read(RdctContext *ctx, const Picture *picture, const RdctPlan *plan, const RdctEncodeOptions *options) {
    const RdctHeader *header = &picture->header;
    const RdctDecodeOptions reading = decode_options();
    size_t size = 0, again = 0;
    RdctError err;
    const int status =
        rdct_encode_coefficients(ctx, &picture->coefficients, header->width, header->height, plan, options, &size, NULL, &err);
    if (status != RDCT_OK) { /* other slices predict other DC values; those of JPEG are not rescaled */
        FUZZ_REQUIRE(status == RDCT_ERR_ARGUMENT);
        FUZZ_REQUIRE(strcmp(err.rule, "dc_difference") == 0 || strcmp(err.rule, "slice_rows_even") == 0 ||
                     strcmp(err.rule, "jpeg_restart_interval") == 0);
        return;
    }
    uint8_t *stream = take_stream(ctx, size);
    RdctCoefficients found = new_coefficients(header->width, header->height, header->subsampling);
    FUZZ_REQUIRE(rdct_decode_coefficients(ctx, stream, size, &reading, &found, NULL) == RDCT_OK);
    require_equal(&found, &picture->coefficients);
    FUZZ_REQUIRE(rdct_encode_coefficients(ctx, &found, header->width, header->height, plan, options, &again, NULL, NULL) == RDCT_OK);
    uint8_t *same = take_stream(ctx, again);
    FUZZ_REQUIRE(again == size && memcmp(same, stream, size) == 0);
    free_coefficients(&found);
    free(same);
    free(stream);
}

static int dequantised(int value, int step) {
    const int product = value * step;
    return product < -2048 ? -2048 : product > 2047 ? 2047 : product;
}

/* before: under the plan of the picture; after: under the merged tables. */
static void compare_dequantised(const Picture *picture, const RdctCoefficients *before, const uint16_t *merged) {
    const RdctHeader *header = &picture->header;
    RdctLayout layout;
    uint8_t levels[RDCT_MAX_SIDE / 8 + 2];
    FUZZ_REQUIRE(rdct_layout_init(&layout, header->width, header->height, header->subsampling, header->region_blocks, 0, NULL) == RDCT_OK);
    for (int c = 0; c < before->components; c++) {
        const int16_t *a = before->planes[c], *b = picture->coefficients.planes[c];
        for (int y = 0; y < before->blocks_high[c]; y++) {
            rdct_block_levels(&layout, picture->level_map, c, y, levels);
            for (int x = 0; x < before->blocks_wide[c]; x++, a += 64, b += 64) {
                for (int n = 0; n < 64; n++) {
                    const int scaled = (picture->tables[(levels[x] * 3 + c) * 64 + n] * header->scale + 128) >> 8;
                    const int step = scaled < 1 ? 1 : scaled > RDCT_MAX_STEP ? RDCT_MAX_STEP : scaled;
                    FUZZ_REQUIRE(dequantised(a[n], step) == dequantised(b[n], merged[64 * c + n]));
                }
            }
        }
    }
}

static void write_jpeg(RdctContext *ctx, Picture *picture, RdctEncodeOptions options) {
    const RdctHeader *header = &picture->header;
    RdctCoefficients before = new_coefficients(header->width, header->height, header->subsampling);
    uint16_t merged[192];
    RdctError err;
    for (int c = 0; c < before.components; c++)
        memcpy(before.planes[c], picture->coefficients.planes[c], coefficient_bytes(&before, c));
    const int status =
        rdct_merge_levels(&picture->coefficients, header->width, header->height, header->subsampling, &picture->plan, merged, &err);
    if (status == RDCT_OK) {
        compare_dequantised(picture, &before, merged);
        const RdctTableSet one = {{0}, 1, merged, NULL, NULL, 0, NULL};
        memset(picture->level_map, 0, (size_t)header->map_rows * (size_t)header->map_cols);
        const RdctPlan plan = {&one, RDCT_SCALE_ONE, header->region_blocks, picture->level_map, header->map_rows, header->map_cols};
        options.format = RDCT_FORMAT_JPEG;
        write_and_read(ctx, picture, &plan, &options);
    } else {
        FUZZ_REQUIRE(status == RDCT_ERR_UNSUPPORTED);
        FUZZ_REQUIRE(strcmp(err.rule, header->has_skip ? "jpeg_skip" : "jpeg_ac_range") == 0);
    }
    free_coefficients(&before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    const int choice = data[0], make = choice >= 16;
    RdctContext *ctx = NULL;
    Picture picture;
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    data++;
    size--;
    uint8_t *right = make ? NULL : sealed(data, size);
    if (make)
        make_picture((Source){data, size, 0}, &picture);
    if (make || open_picture(ctx, right != NULL ? right : data, size, &picture)) {
        RdctEncodeOptions options = {0};
        options.subsampling = picture.header.subsampling;
        options.entropy = choice & 1 ? RDCT_HUFFMAN_FIXED : choice & 8 ? RDCT_CONTEXT : RDCT_HUFFMAN;
        options.slice_rows = choice >> 1 & 3; /* 0: the default */
        write_and_read(ctx, &picture, &picture.plan, &options);
        options.entropy = choice & 1 ? RDCT_HUFFMAN_FIXED : RDCT_HUFFMAN;
        write_jpeg(ctx, &picture, options);
        close_picture(&picture);
    }
    free(right);
    rdct_context_destroy(ctx);
    return 0;
}
