/* SPDX-License-Identifier: Apache-2.0
 * Refinement streams, in two ways that the first byte chooses. Even: two bytes of length, a base stream, and what is to refine it; both any
 * bytes. Odd: bytes choose a picture, two plans and options; a base and its refinement are made of them, and the slices of that damaged
 * behind right checksums. Promises: a status, never a crash; all exits agree; what is encoded decodes to the coefficients of a direct encode; two threads give the bytes of one; an
 * allocation that fails is RDCT_ERR_MEMORY, and the context works again afterwards. */
#include <string.h>

#include "common/mem.h"
#include "common/tables.h"
#include "dsp/dsp.h"
#include "rdct.h"
#include "target.h"

enum { MAX_SIDE = 72, LEVELS = 3, MAX_REGIONS = 81 };

/* The input, repeated: short inputs still make whole pictures. */
typedef struct Source {
    const uint8_t *data;
    size_t size, at;
} Source;

static uint8_t take(Source *source) {
    return source->size == 0 ? 0 : source->data[source->at++ % source->size];
}

/* A base on the heap, each array of its exact size. */
typedef struct Base {
    RdctBase c;
    uint16_t *steps;
    uint8_t *map;
} Base;

static RdctDecodeOptions decode_options(const RdctBase *refine) {
    RdctDecodeOptions options = {0};
    options.max_pixels = FUZZ_MAX_PIXELS;
    options.refine = refine;
    return options;
}

static void make_planes(const RdctHeader *header, RdctCoefficients *coefficients) {
    memset(coefficients, 0, sizeof *coefficients);
    FUZZ_REQUIRE(rdct_geometry(header->width, header->height, header->subsampling, coefficients, NULL, NULL) == RDCT_OK);
    for (int c = 0; c < coefficients->components; c++) {
        coefficients->planes[c] = calloc((size_t)coefficients->blocks_wide[c] * (size_t)coefficients->blocks_high[c], 64 * sizeof(int16_t));
        FUZZ_REQUIRE(coefficients->planes[c] != NULL);
    }
}

static void free_planes(RdctCoefficients *coefficients) {
    for (int c = 0; c < coefficients->components; c++)
        free(coefficients->planes[c]);
}

static void free_base(Base *base) {
    free_planes(&base->c.coefficients);
    free(base->steps);
    free(base->map);
}

/* What a stream leaves for a refinement; 0 if it leaves nothing. */
static int open_base(RdctContext *ctx, const uint8_t *data, size_t size, Base *base) {
    RdctHeader header = {0};
    memset(base, 0, sizeof *base);
    if (rdct_read_header(data, size, &header, NULL) != RDCT_OK || (int64_t)header.width * header.height > FUZZ_MAX_PIXELS ||
        header.tables_by_id)
        return 0;
    const size_t entries = (size_t)header.levels * 192;
    uint16_t *tables = calloc(entries, sizeof *tables);
    base->steps = calloc(entries, sizeof *base->steps);
    base->map = malloc((size_t)header.map_rows * (size_t)header.map_cols);
    FUZZ_REQUIRE(tables != NULL && base->steps != NULL && base->map != NULL);
    make_planes(&header, &base->c.coefficients);
    const RdctDecodeOptions options = decode_options(NULL);
    const int ok = rdct_read_header_arrays(data, size, NULL, 0, tables, base->map, NULL) == RDCT_OK &&
                   rdct_decode_coefficients(ctx, data, size, &options, &base->c.coefficients, NULL) == RDCT_OK;
    rdct_scale_steps(tables, (int)entries, header.scale, base->steps);
    free(tables);
    base->c.width = header.width;
    base->c.height = header.height;
    base->c.subsampling = header.subsampling;
    base->c.region_blocks = header.region_blocks;
    base->c.levels = header.levels;
    base->c.map_rows = header.map_rows;
    base->c.map_cols = header.map_cols;
    base->c.steps = base->steps;
    base->c.level_map = base->map;
    if (!ok)
        free_base(base);
    return ok;
}

/* Pixels and coefficients by turns: both succeed or both fail. */
static void decode_anything(RdctContext *ctx, const uint8_t *data, size_t size, const RdctBase *base) {
    RdctHeader header;
    RdctCoefficients coefficients;
    RdctError err;
    if (rdct_read_header(data, size, &header, NULL) != RDCT_OK || (int64_t)header.width * header.height > FUZZ_MAX_PIXELS)
        return;
    const size_t row = (size_t)header.width * (size_t)header.components;
    uint8_t *out = malloc(row * (size_t)header.height);
    FUZZ_REQUIRE(out != NULL);
    make_planes(&header, &coefficients);
    const RdctDecodeOptions options = decode_options(base);
    const int status = rdct_decode(ctx, data, size, &options, out, (ptrdiff_t)row, &err);
    FUZZ_REQUIRE(status == RDCT_OK || err.status == status);
    FUZZ_REQUIRE(rdct_decode_coefficients(ctx, data, size, &options, &coefficients, NULL) == status);
    FUZZ_REQUIRE((base == NULL) == !header.refine || status != RDCT_OK);
    free_planes(&coefficients);
    free(out);
}

static void split(const uint8_t *data, size_t size) {
    RdctContext *ctx = NULL;
    Base base;
    if (size < 2)
        return;
    size_t low = (size_t)(data[0] | data[1] << 8);
    data += 2;
    size -= 2;
    low = low < size ? low : size;
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    if (open_base(ctx, data, low, &base)) {
        decode_anything(ctx, data + low, size - low, &base.c);
        decode_anything(ctx, data + low, size - low, NULL);
        free_base(&base);
    }
    rdct_context_destroy(ctx);
}

typedef struct Plan {
    RdctPlan c;
    RdctTableSet set;
    uint16_t tables[LEVELS * 192];
    uint8_t map[MAX_REGIONS];
} Plan;

static void make_plan(Source *source, Plan *plan, int rows, int cols, int region_blocks) {
    memset(plan, 0, sizeof *plan);
    plan->set.levels = LEVELS;
    plan->set.tables = plan->tables;
    plan->c = (RdctPlan){&plan->set, 1 + 16 * take(source), region_blocks, plan->map, rows, cols};
    for (int i = 0; i < LEVELS * 192; i++)
        plan->tables[i] = (uint16_t)(1 + take(source) / 4 * (1 + i / 192));
    for (int i = 0; i < rows * cols; i++) {
        const uint8_t value = take(source);
        plan->map[i] = value % 7 == 6 ? RDCT_SKIP : value % LEVELS;
    }
}

/* The stream, made by so many threads; NULL if the arguments break a rule. */
static uint8_t *encode(const RdctImage *image, const RdctPlan *plan, const RdctEncodeOptions *options, int threads, size_t *size) {
    RdctContext *ctx = NULL;
    RdctEncodeStats stats;
    uint8_t *stream = NULL;
    size_t bound;
    FUZZ_REQUIRE(rdct_context_create(threads, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    const int status = rdct_encode(ctx, image, plan, options, size, &stats, NULL);
    FUZZ_REQUIRE(status == RDCT_OK || status == RDCT_ERR_ARGUMENT);
    if (status == RDCT_OK) {
        stream = malloc(*size);
        FUZZ_REQUIRE(stream != NULL && rdct_take_output(ctx, stream, *size, NULL) == RDCT_OK);
        FUZZ_REQUIRE(rdct_encode_bound(image->width, image->height, options->subsampling, &bound, NULL) == RDCT_OK && *size <= bound);
    }
    rdct_context_destroy(ctx);
    return stream;
}

/* Each allocation in turn fails: encoding and decoding say so, and work when tried again. */
static void fail_each(const RdctImage *image, const RdctPlan *plan, const RdctEncodeOptions *options, const uint8_t *stream, size_t size,
                      const RdctHeader *header, int64_t failing) {
    RdctContext *ctx = NULL;
    RdctCoefficients coefficients;
    size_t bytes;
    const RdctDecodeOptions decoding = decode_options(options->refine);
    make_planes(header, &coefficients);
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    rdct_mem_fail_after(failing);
    int status = rdct_encode(ctx, image, plan, options, &bytes, NULL, NULL);
    rdct_mem_fail_after(0);
    FUZZ_REQUIRE(status == RDCT_OK || status == RDCT_ERR_MEMORY);
    FUZZ_REQUIRE(rdct_encode(ctx, image, plan, options, &bytes, NULL, NULL) == RDCT_OK && bytes == size);
    rdct_context_destroy(ctx);
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    rdct_mem_fail_after(failing);
    status = rdct_decode_coefficients(ctx, stream, size, &decoding, &coefficients, NULL);
    rdct_mem_fail_after(0);
    FUZZ_REQUIRE(status == RDCT_OK || status == RDCT_ERR_MEMORY);
    FUZZ_REQUIRE(rdct_decode_coefficients(ctx, stream, size, &decoding, &coefficients, NULL) == RDCT_OK);
    rdct_context_destroy(ctx);
    free_planes(&coefficients);
}

static void compare(const RdctImage *image, const RdctPlan *plan, const uint8_t *stream, size_t size, const RdctHeader *header,
                    const RdctBase *base) {
    RdctContext *ctx = NULL;
    RdctCoefficients wanted, found;
    const RdctDecodeOptions options = decode_options(base);
    make_planes(header, &wanted);
    make_planes(header, &found);
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    FUZZ_REQUIRE(rdct_quantize(ctx, image, plan, header->subsampling, 0, &wanted, NULL) == RDCT_OK);
    FUZZ_REQUIRE(rdct_decode_coefficients(ctx, stream, size, &options, &found, NULL) == RDCT_OK);
    for (int c = 0; c < wanted.components; c++)
        FUZZ_REQUIRE(memcmp(wanted.planes[c], found.planes[c],
                            (size_t)wanted.blocks_wide[c] * (size_t)wanted.blocks_high[c] * 64 * sizeof(int16_t)) == 0);
    free_planes(&wanted);
    free_planes(&found);
    rdct_context_destroy(ctx);
}

static void put_u32(uint8_t *out, uint32_t value) {
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

/* Some bits of the slices changed, every checksum right: nothing stands between them and the decoder. */
static void damage(Source *source, uint8_t *stream, size_t size, const RdctHeader *header, const RdctBase *base) {
    RdctContext *ctx = NULL;
    const size_t start = (size_t)header->header_bytes;
    if (size == start)
        return;
    for (int i = 0; i < 3; i++)
        stream[start + (take(source) * 256u + take(source)) % (size - start)] ^= take(source);
    size_t at = start - 4 - (size_t)header->index_bytes, slice = start;
    for (int i = 0; i < header->slices; i++) {
        size_t bytes = 0;
        for (int shift = 0, more = 1; more; shift += 7) {
            bytes |= (size_t)(stream[at] & 127) << shift;
            more = stream[at++] & 128;
        }
        put_u32(stream + at, rdct_crc32c(stream + slice, bytes));
        at += 4;
        slice += bytes;
    }
    put_u32(stream + at, rdct_crc32c(stream, at));
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    decode_anything(ctx, stream, size, base);
    rdct_context_destroy(ctx);
}

static void refine(Source *source, const RdctImage *image, const RdctPlan *plan, RdctEncodeOptions *options, Base *base, int limit,
                   int64_t failing) {
    RdctHeader header;
    size_t size = 0, again = 0;
    options->refine = &base->c;
    options->refine_limit = limit;
    uint8_t *stream = encode(image, plan, options, 1, &size), *other = encode(image, plan, options, 2, &again);
    FUZZ_REQUIRE(stream != NULL && other != NULL);
    FUZZ_REQUIRE(size == again && memcmp(stream, other, size) == 0);
    FUZZ_REQUIRE(rdct_read_header(stream, size, &header, NULL) == RDCT_OK && header.refine);
    compare(image, plan, stream, size, &header, &base->c);
    fail_each(image, plan, options, stream, size, &header, failing);
    damage(source, stream, size, &header, &base->c);
    free(stream);
    free(other);
}

static void round_trip(const uint8_t *data, size_t size) {
    Source source = {data, size, 0};
    RdctEncodeOptions options = {0};
    Plan coarse, fine;
    options.subsampling = take(&source) % 4;
    options.entropy = take(&source) % 2;
    options.slice_rows = 2 * (take(&source) % 3);
    const int width = 1 + take(&source) % MAX_SIDE, height = 1 + take(&source) % MAX_SIDE, region_blocks = 1 + take(&source) % 8;
    const int limit = 100 * take(&source), channels = options.subsampling == RDCT_GREY ? 1 : 3, side = 8 * region_blocks;
    const int64_t failing = 1 + take(&source) % 16;
    make_plan(&source, &coarse, (height + side - 1) / side, (width + side - 1) / side, region_blocks);
    make_plan(&source, &fine, coarse.c.map_rows, coarse.c.map_cols, region_blocks);
    uint8_t *pixels = malloc((size_t)width * (size_t)height * (size_t)channels);
    FUZZ_REQUIRE(pixels != NULL);
    for (size_t i = 0; i < (size_t)width * (size_t)height * (size_t)channels; i++)
        pixels[i] = take(&source);
    const RdctImage image = {pixels, (ptrdiff_t)width * channels, width, height, channels};
    size_t bytes = 0;
    uint8_t *low = encode(&image, &coarse.c, &options, 1, &bytes);
    if (low != NULL) {
        RdctContext *ctx = NULL;
        Base base;
        FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
        FUZZ_REQUIRE(open_base(ctx, low, bytes, &base));
        rdct_context_destroy(ctx);
        refine(&source, &image, &fine.c, &options, &base, limit, failing);
        free_base(&base);
    }
    free(low);
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0 && data[0] % 2 == 0)
        split(data + 1, size - 1);
    else if (size > 0)
        round_trip(data + 1, size - 1);
    return 0;
}
