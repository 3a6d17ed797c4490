/* SPDX-License-Identifier: Apache-2.0
 * Coefficient planes for the harnesses that need two sets of them. */
#ifndef RDCT_FUZZ_COEFFICIENTS_H
#define RDCT_FUZZ_COEFFICIENTS_H

#include <string.h>

#include "rdct.h"
#include "target.h"

static inline size_t coefficient_bytes(const RdctCoefficients *coefficients, int c) {
    return (size_t)coefficients->blocks_wide[c] * (size_t)coefficients->blocks_high[c] * 64 * sizeof(int16_t);
}

static inline RdctCoefficients new_coefficients(int width, int height, int subsampling) {
    RdctCoefficients coefficients = {0};
    FUZZ_REQUIRE(rdct_geometry(width, height, subsampling, &coefficients, NULL, NULL) == RDCT_OK);
    for (int c = 0; c < coefficients.components; c++) {
        coefficients.planes[c] = malloc(coefficient_bytes(&coefficients, c));
        FUZZ_REQUIRE(coefficients.planes[c] != NULL);
    }
    return coefficients;
}

static inline void free_coefficients(RdctCoefficients *coefficients) {
    for (int c = 0; c < coefficients->components; c++)
        free(coefficients->planes[c]);
}

static inline void require_equal(const RdctCoefficients *a, const RdctCoefficients *b) {
    FUZZ_REQUIRE(a->components == b->components);
    for (int c = 0; c < a->components; c++)
        FUZZ_REQUIRE(memcmp(a->planes[c], b->planes[c], coefficient_bytes(a, c)) == 0);
}

/* The finished stream of ctx in a block of its exact size. */
static inline uint8_t *take_stream(RdctContext *ctx, size_t size) {
    uint8_t *stream = malloc(size);
    FUZZ_REQUIRE(stream != NULL && rdct_take_output(ctx, stream, size, NULL) == RDCT_OK);
    return stream;
}

static inline RdctDecodeOptions decode_options(void) {
    RdctDecodeOptions options = {0};
    options.max_pixels = FUZZ_MAX_PIXELS;
    return options;
}

#endif
