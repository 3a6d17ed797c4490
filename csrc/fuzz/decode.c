/* SPDX-License-Identifier: Apache-2.0
 * Any bytes, both formats, every exit of the decoder; streams once more with right checksums. Promises: a status, never a crash; the exits agree on success or failure;
 * a region of interest equals the crop of the whole picture; concealing loses the slices that fail and changes no other. */
#include <string.h>

#include "rdct.h"
#include "seal.h"
#include "target.h"

enum { MAX_SLICES = 16 }; /* that are looked at one by one */

static RdctDecodeOptions options_for(const RdctTableSet *const *sets, int set_count) {
    RdctDecodeOptions options = {0};
    options.max_pixels = FUZZ_MAX_PIXELS;
    options.sets = sets;
    options.set_count = set_count;
    return options;
}

static void decode_roi(RdctContext *ctx, const uint8_t *data, size_t size, const RdctHeader *header, RdctDecodeOptions options,
                       const uint8_t *whole) {
    const int channels = header->components;
    const int x0 = header->width / 3, y0 = header->height / 2;
    const int wide = header->width - x0, high = header->height - y0;
    const size_t row = (size_t)wide * (size_t)channels;
    uint8_t *part = malloc(row * (size_t)high);
    FUZZ_REQUIRE(part != NULL);
    options.roi[0] = x0;
    options.roi[1] = y0;
    options.roi[2] = header->width;
    options.roi[3] = header->height;
    FUZZ_REQUIRE(rdct_decode(ctx, data, size, &options, part, (ptrdiff_t)row, NULL) == RDCT_OK);
    for (int y = 0; y < high; y++)
        FUZZ_REQUIRE(
            memcmp(part + (size_t)y * row, whole + ((size_t)(y0 + y) * (size_t)header->width + (size_t)x0) * (size_t)channels, row) == 0);
    free(part);
}

/* Every slice alone, without concealing: it fails if it was lost, which shows as grey, and else shows the same. */
static void check_slices(RdctContext *ctx, const uint8_t *data, size_t size, const RdctHeader *header, RdctDecodeOptions options,
                         const RdctDamage *damage, const uint8_t *concealed) {
    const size_t row = (size_t)header->width * (size_t)header->components;
    const int lines = header->slice_rows * header->region_blocks * 8;
    uint8_t *part = malloc(row * (size_t)header->height);
    int next = 0;
    FUZZ_REQUIRE(part != NULL);
    for (int i = 0; i < header->slices && i < MAX_SLICES; i++) {
        const RdctLostSlice *lost = next < damage->count ? &damage->lost[next] : NULL;
        const int is_lost = lost != NULL && lost->why.slice == i;
        const int y0 = i * lines, y1 = i + 1 < header->slices ? y0 + lines : header->height;
        RdctError err;
        options.roi[1] = y0;
        options.roi[2] = header->width;
        options.roi[3] = y1;
        const int status = rdct_decode(ctx, data, size, &options, part, (ptrdiff_t)row, &err);
        if (is_lost) {
            FUZZ_REQUIRE(status != RDCT_OK && status == lost->why.status && strcmp(err.rule, lost->why.rule) == 0);
            FUZZ_REQUIRE(lost->y0 == y0 && lost->y1 == y1);
            for (size_t at = (size_t)y0 * row; at < (size_t)y1 * row; at++)
                FUZZ_REQUIRE(concealed[at] == 128);
            next++;
        } else {
            FUZZ_REQUIRE(status == RDCT_OK && memcmp(part, concealed + (size_t)y0 * row, (size_t)(y1 - y0) * row) == 0);
        }
    }
    FUZZ_REQUIRE(next == damage->count || header->slices > MAX_SLICES);
    free(part);
}

/* `plain` and `why`: what decoding the whole without concealing said. */
static void decode_concealing(RdctContext *ctx, const uint8_t *data, size_t size, const RdctHeader *header, RdctDecodeOptions options,
                              int plain, const RdctError *why, const uint8_t *whole) {
    const size_t row = (size_t)header->width * (size_t)header->components, bytes = row * (size_t)header->height;
    RdctDamage damage = {malloc((size_t)header->slices * sizeof(RdctLostSlice)), header->slices, -1};
    uint8_t *out = malloc(bytes);
    FUZZ_REQUIRE(out != NULL && damage.lost != NULL);
    options.damage = &damage;
    const int status = rdct_decode(ctx, data, size, &options, out, (ptrdiff_t)row, NULL);
    const int trailing = plain == RDCT_ERR_CORRUPT && strcmp(why->rule, "trailing_bytes") == 0;
    options.damage = NULL;
    if (header->format == RDCT_FORMAT_JPEG) {
        FUZZ_REQUIRE(status == RDCT_ERR_UNSUPPORTED && damage.count == 0);
    } else if (plain == RDCT_OK) {
        FUZZ_REQUIRE(status == RDCT_OK && damage.count == 0 && memcmp(out, whole, bytes) == 0);
    } else if (!trailing && why->slice < 0) {
        FUZZ_REQUIRE(status == plain && damage.count == 0);
    } else if (trailing && header->refine) { /* bytes too many do no harm, but what is refined is still missing */
        FUZZ_REQUIRE(status == RDCT_ERR_ARGUMENT && damage.count == 0);
    } else {
        FUZZ_REQUIRE(status == RDCT_OK && damage.count <= header->slices);
        FUZZ_REQUIRE(trailing || (damage.count > 0 && damage.lost[0].why.slice == why->slice));
        if (!trailing)
            check_slices(ctx, data, size, header, options, &damage, out);
    }
    free(damage.lost);
    free(out);
}

static void decode_arrays(RdctContext *ctx, const uint8_t *data, size_t size, const RdctHeader *header, const RdctDecodeOptions *options,
                          int expected) {
    RdctCoefficients coefficients = {0};
    RdctPlanes planes = {0};
    FUZZ_REQUIRE(rdct_geometry(header->width, header->height, header->subsampling, &coefficients, &planes, NULL) == RDCT_OK);
    for (int c = 0; c < planes.components; c++) {
        planes.planes[c] = malloc((size_t)planes.width[c] * (size_t)planes.height[c] * sizeof(int16_t));
        coefficients.planes[c] = malloc((size_t)coefficients.blocks_wide[c] * (size_t)coefficients.blocks_high[c] * 64 * sizeof(int16_t));
        FUZZ_REQUIRE(planes.planes[c] != NULL && coefficients.planes[c] != NULL);
    }
    FUZZ_REQUIRE(rdct_decode_planes(ctx, data, size, options, &planes, NULL) == expected);
    FUZZ_REQUIRE(rdct_decode_coefficients(ctx, data, size, options, &coefficients, NULL) == expected);
    for (int c = 0; c < planes.components; c++) {
        free(planes.planes[c]);
        free(coefficients.planes[c]);
    }
}

static void decode_every_way(RdctContext *ctx, const uint8_t *data, size_t size) {
    RdctHeader header;
    RdctError err;
    if (rdct_read_header(data, size, &header, &err) != RDCT_OK || (int64_t)header.width * header.height > FUZZ_MAX_PIXELS)
        return;
    const size_t row = (size_t)header.width * (size_t)header.components;
    uint8_t *out = malloc(row * (size_t)header.height);
    FUZZ_REQUIRE(out != NULL);
    const RdctDecodeOptions options = options_for(NULL, 0);
    const int status = rdct_decode(ctx, data, size, &options, out, (ptrdiff_t)row, &err);
    FUZZ_REQUIRE(status == RDCT_OK || err.status == status);
    decode_arrays(ctx, data, size, &header, &options, status);
    decode_concealing(ctx, data, size, &header, options, status, &err, out);
    if (status == RDCT_OK)
        decode_roi(ctx, data, size, &header, options, out);
    free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    RdctContext *ctx = NULL;
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    decode_every_way(ctx, data, size);
    uint8_t *right = sealed(data, size);
    if (right != NULL && memcmp(right, data, size) != 0)
        decode_every_way(ctx, right, size);
    free(right);
    rdct_context_destroy(ctx);
    return 0;
}
