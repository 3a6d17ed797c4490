/* SPDX-License-Identifier: Apache-2.0
 * Any bytes, both formats, every exit of the decoder. Promises: a status, never a crash; the exits agree on success or failure;
 * a region of interest equals the crop of the whole picture. */
#include <string.h>

#include "rdct.h"
#include "target.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    RdctContext *ctx = NULL;
    RdctHeader header;
    RdctError err;
    FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL) == RDCT_OK);
    if (rdct_read_header(data, size, &header, &err) == RDCT_OK && (int64_t)header.width * header.height <= FUZZ_MAX_PIXELS) {
        const size_t row = (size_t)header.width * (size_t)header.components;
        uint8_t *out = malloc(row * (size_t)header.height);
        FUZZ_REQUIRE(out != NULL);
        const RdctDecodeOptions options = options_for(NULL, 0);
        const int status = rdct_decode(ctx, data, size, &options, out, (ptrdiff_t)row, &err);
        FUZZ_REQUIRE(status == RDCT_OK || err.status == status);
        decode_arrays(ctx, data, size, &header, &options, status);
        if (status == RDCT_OK)
            decode_roi(ctx, data, size, &header, options, out);
        free(out);
    }
    rdct_context_destroy(ctx);
    return 0;
}
