/* SPDX-License-Identifier: Apache-2.0
 * An encoding under way: everything the workers share. Built by rdct_encoder_setup in scratch of the context. */
#ifndef RDCT_ENC_ENCODER_H
#define RDCT_ENC_ENCODER_H

#include "common/context.h"
#include "common/layout.h"
#include "enc/rows.h"
#include "enc/search.h"
#include "enc/stock.h"
#include "enc/symbols.h"

typedef struct RdctEncodeWorker {
    RdctSymbolCounts counts;
    RdctRowWork work;
    RdctTokenRow row; /* one that is not kept */
    size_t used;      /* bytes of finished slices in the worker's scratch */
} RdctEncodeWorker;

/* Where the bytes of a slice are until the header is known. */
typedef struct RdctEncodedSlice {
    int worker, status;
    size_t offset;
} RdctEncodedSlice;

/* Which MCU rows are kept as tokens between two passes: those that are looked at twice. */
typedef enum RdctKept { RDCT_KEEP_NONE, RDCT_KEEP_SAMPLE, RDCT_KEEP_ALL } RdctKept;

/* What a refinement stream needs besides options->refine. */
typedef struct RdctRefine {
    RdctWalk walk;      /* in the steps of the base */
    uint8_t *memory;    /* of enc/refine.c, */
    uint8_t *modes;     /* and in it [map_rows][map_cols], stream/refine.h */
    int64_t regions[2]; /* fresh, refined */
    uint8_t hash[RDCT_ID_BYTES];
} RdctRefine;

typedef struct RdctEncoder {
    RdctContext *ctx;
    RdctLayout layout;
    const RdctImage *image;        /* or */
    const RdctCoefficients *given; /* qcoefs from outside */
    const RdctPlan *plan;
    const RdctEncodeOptions *options; /* NULL if nothing is coded */
    RdctRefine refine;
    uint16_t *steps;           /* [levels][3][64], scaled */
    RdctQuantizer *quantizers; /* [levels][3] */
    RdctSearch *search;        /* NULL unless qcoefs are chosen by their bits */
    uint16_t *base;            /* [3][64], NULL unless regions of many levels share this one table */
    RdctWalk walk;
    RdctEncodeWorker *workers; /* [threads] */
    RdctKept kept;
    RdctTokenRow *rows;     /* [mcu_high]; tokens NULL until made */
    RdctToken *kept_tokens; /* of the rows kept, each rdct_row_tokens_bound */
    RdctEncodedSlice *slices;
    size_t *sizes;  /* [slices] */
    uint32_t *crcs; /* [slices] */
    RdctTokenCodes codes;
    int learns;                        /* the search learns from a sample what symbols cost */
    int counted;                       /* all symbols are counted */
    struct RdctContextSlices *context; /* of context-modelled coding; else NULL */
    uint32_t *region_bits;             /* [map_rows][map_cols]: context-modelled coding adds what blocks cost, in 1/256 bits; else NULL */
    int count;                         /* count while coding: the caller wants statistics */
} RdctEncoder;

static inline int rdct_encoder_is_jpeg(const RdctEncoder *encoder) {
    return encoder->options->format == RDCT_FORMAT_JPEG;
}

/* As Huffman coding has its slices made by jobs of encoder.c, so has context modelling by one of these. */
int rdct_context_setup(RdctEncoder *encoder, RdctError *err);
int rdct_context_code_slice(RdctEncoder *encoder, int slice, int worker, RdctError *err);

/* After the checks of image, plan and layout, and with image or given set. */
int rdct_encoder_setup(RdctEncoder *encoder, RdctKept kept, RdctError *err);
/* After rdct_encoder_setup: the effort (0..RDCT_MAX_EFFORT), or with `stock` one table for all levels of the plan. */
int rdct_encoder_setup_effort(RdctEncoder *encoder, int effort, int stock, RdctError *err);
/* Levels and qcoefs of an MCU row, from the image or from the given ones, which are checked, into the worker's memory. */
int rdct_encoder_load_row(const RdctEncoder *encoder, int mcu_row, int worker, RdctError *err);
/* The same, as it is coded: refined blocks are differences. */
int rdct_encoder_prepare_row(const RdctEncoder *encoder, int mcu_row, int worker, RdctError *err);
/* The tokens of a row: those kept, or made now. *row is valid until the worker's next row unless the row is kept. */
int rdct_encoder_token_row(RdctEncoder *encoder, int mcu_row, int worker, RdctTokenRow **row, RdctError *err);
/* Once all slices are coded: the stream into the output of the context, with the tables, or of the band, that coded it. */
int rdct_encoder_assemble(RdctEncoder *encoder, const RdctHuffmanLengths *huffman, int band, size_t *size, RdctEncodeStats *stats,
                          RdctError *err);

#endif
