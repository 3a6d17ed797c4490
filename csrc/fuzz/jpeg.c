/* SPDX-License-Identifier: Apache-2.0
 * JPEG files, in two ways that keep mutations inside the format. An even first byte: the rest is a file without its SOI marker. An odd
 * one: it and the next three choose size, sampling and restarts, and the rest is the scan behind a header of our own, which the decoder
 * then reads to the end. Promises: headers within their ranges; coefficients within baseline's; they can be written again, and come back;
 * a bad scan is named as such, and the same by every exit. */
#include "coefficients.h"

#include "stream/jfif.h"

enum { MAX_SIDE = 64 };

static void check_header(const RdctHeader *header, const uint8_t *data, size_t size) {
    uint16_t tables[192];
    FUZZ_REQUIRE(header->format == RDCT_FORMAT_JPEG && header->levels == 1 && header->slices == 1 && header->scale == RDCT_SCALE_ONE);
    FUZZ_REQUIRE(header->width >= 1 && header->width <= RDCT_MAX_SIDE && header->height >= 1 && header->height <= RDCT_MAX_SIDE);
    FUZZ_REQUIRE(header->restart_interval >= 0 && header->restart_interval <= 65535);
    FUZZ_REQUIRE(rdct_read_header_arrays(data, size, NULL, 0, tables, NULL, NULL) == RDCT_OK);
    for (int i = 0; i < 192; i++)
        FUZZ_REQUIRE(tables[i] >= 1 && tables[i] <= 255);
}

static void check_ranges(const RdctCoefficients *coefficients) {
    for (int c = 0; c < coefficients->components; c++) {
        const size_t count = coefficient_bytes(coefficients, c) / sizeof(int16_t);
        for (size_t i = 0; i < count; i++) {
            const int value = coefficients->planes[c][i];
            FUZZ_REQUIRE(i % 64 == 0 ? value >= -2048 && value <= 2047 : value >= -1023 && value <= 1023);
        }
    }
}

/* Written as a JPEG file and as a stream of ours: the same coefficients, and from the file the same pixels. */
static void write_again(RdctContext *ctx, const uint8_t *data, size_t size, const RdctHeader *header, const RdctCoefficients *coefficients,
                        const uint8_t *pixels) {
    const RdctDecodeOptions reading = decode_options();
    const size_t row = (size_t)header->width * (size_t)header->components, bytes = row * (size_t)header->height;
    const size_t regions = (size_t)header->map_rows * (size_t)header->map_cols;
    uint16_t tables[192];
    uint8_t *map = calloc(regions, 1), *out = malloc(bytes);
    RdctCoefficients found = new_coefficients(header->width, header->height, header->subsampling);
    FUZZ_REQUIRE(map != NULL && out != NULL && rdct_read_header_arrays(data, size, NULL, 0, tables, NULL, NULL) == RDCT_OK);
    const RdctTableSet set = {{0}, 1, tables, NULL, NULL, 0, NULL};
    const RdctPlan plan = {&set, RDCT_SCALE_ONE, header->region_blocks, map, header->map_rows, header->map_cols};
    for (int format = RDCT_FORMAT_RDCT; format <= RDCT_FORMAT_JPEG; format++) {
        RdctEncodeOptions options = {0};
        size_t written = 0;
        RdctError err;
        options.subsampling = header->subsampling;
        options.format = format;
        if (rdct_encode_coefficients(ctx, coefficients, header->width, header->height, &plan, &options, &written, NULL, &err) != RDCT_OK) {
            FUZZ_REQUIRE(strcmp(err.rule, "dc_difference") == 0); /* across what was a restart */
            continue;
        }
        uint8_t *stream = take_stream(ctx, written);
        FUZZ_REQUIRE(rdct_decode_coefficients(ctx, stream, written, &reading, &found, NULL) == RDCT_OK);
        require_equal(&found, coefficients);
        if (format == RDCT_FORMAT_JPEG) {
            FUZZ_REQUIRE(rdct_decode(ctx, stream, written, &reading, out, (ptrdiff_t)row, NULL) == RDCT_OK);
            FUZZ_REQUIRE(memcmp(out, pixels, bytes) == 0);
        }
        free(stream);
    }
    free_coefficients(&found);
    free(map);
    free(out);
}

static void read_file(RdctContext *ctx, const uint8_t *data, size_t size) {
    const RdctDecodeOptions options = decode_options();
    RdctHeader header;
    RdctError err, other;
    if (rdct_read_header(data, size, &header, NULL) != RDCT_OK)
        return;
    check_header(&header, data, size);
    if ((int64_t)header.width * header.height > FUZZ_MAX_PIXELS)
        return;
    const size_t row = (size_t)header.width * (size_t)header.components;
    RdctCoefficients coefficients = new_coefficients(header.width, header.height, header.subsampling);
    uint8_t *pixels = malloc(row * (size_t)header.height);
    FUZZ_REQUIRE(pixels != NULL);
    const int status = rdct_decode_coefficients(ctx, data, size, &options, &coefficients, &err);
    FUZZ_REQUIRE(rdct_decode(ctx, data, size, &options, pixels, (ptrdiff_t)row, &other) == status);
    if (status == RDCT_OK) {
        check_ranges(&coefficients);
        write_again(ctx, data, size, &header, &coefficients, pixels);
    } else {
        FUZZ_REQUIRE(status == RDCT_ERR_TRUNCATED || status == RDCT_ERR_CORRUPT);
        FUZZ_REQUIRE(err.slice == 0 && err.offset >= 0 && err.offset <= (int64_t)size);
        FUZZ_REQUIRE(err.offset == other.offset && strcmp(err.rule, other.rule) == 0);
    }
    free_coefficients(&coefficients);
    free(pixels);
}

/* The header of a flat picture, with the tables of Annex K. */
static size_t make_header(RdctContext *ctx, const uint8_t *choice, uint8_t *out, size_t capacity) {
    static const uint8_t flat[MAX_SIDE * MAX_SIDE * 3];
    static const uint8_t map[MAX_SIDE / 8 * MAX_SIDE / 8];
    RdctEncodeOptions options = {0};
    uint16_t tables[192];
    size_t size = 0;
    RdctParsedJpeg parsed;
    options.subsampling = choice[0] >> 1 & 3;
    options.format = RDCT_FORMAT_JPEG;
    options.entropy = RDCT_HUFFMAN_FIXED;
    options.slice_rows = choice[1] % 3 * 2;
    const int width = 1 + choice[2] % MAX_SIDE, height = 1 + choice[3] % MAX_SIDE, channels = options.subsampling == RDCT_GREY ? 1 : 3;
    const RdctImage image = {flat, (ptrdiff_t)width * channels, width, height, channels};
    FUZZ_REQUIRE(rdct_tables_ijg(1 + choice[1] % 100, tables, NULL) == RDCT_OK);
    const RdctTableSet set = {{0}, 1, tables, NULL, NULL, 0, NULL};
    const RdctPlan plan = {&set, RDCT_SCALE_ONE, 1, map, (height + 7) / 8, (width + 7) / 8};
    FUZZ_REQUIRE(rdct_encode(ctx, &image, &plan, &options, &size, NULL, NULL) == RDCT_OK && size <= capacity);
    FUZZ_REQUIRE(rdct_take_output(ctx, out, capacity, NULL) == RDCT_OK);
    FUZZ_REQUIRE(rdct_jfif_parse(&parsed, out, size, 0, NULL) == RDCT_OK);
    return (size_t)parsed.scan_offset;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t header[1 << 16];
    size_t start = 2, skip = 1;
    RdctContext *ctx = NULL;
    if (size < 4)
        return 0;
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    if (data[0] & 1) {
        start = make_header(ctx, data, header, sizeof header);
        skip = 4;
    } else {
        memcpy(header, "\xFF\xD8", 2);
    }
    uint8_t *file = malloc(start + size - skip); /* exact, so that a sanitizer sees the first byte read past it */
    FUZZ_REQUIRE(file != NULL);
    memcpy(file, header, start);
    if (size > skip)
        memcpy(file + start, data + skip, size - skip);
    read_file(ctx, file, start + size - skip);
    free(file);
    rdct_context_destroy(ctx);
    return 0;
}
