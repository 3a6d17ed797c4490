/* SPDX-License-Identifier: Apache-2.0
 * One MCU row at a time: image -> planes -> coefficients -> qcoefs. */
#ifndef RDCT_ENC_ROWS_H
#define RDCT_ENC_ROWS_H

#include "common/layout.h"
#include "dsp/dsp.h"

/* Quantised blocks of one MCU row: per component its v_samp block rows, one after the other. */
typedef struct RdctBlockRow {
    int16_t *qcoef[3];    /* 64 a block, zigzag order; undefined in SKIP blocks */
    uint64_t *nonzero[3]; /* bit k = zigzag position k; undefined in SKIP blocks */
    uint8_t *level[3];
    int16_t *refined_dc[3]; /* NULL but in a refinement: the prediction of DC from the base, RDCT_FRESH in blocks that are not refined */
} RdctBlockRow;

/* No prediction of DC is that low. */
#define RDCT_FRESH INT16_MIN

/* Sample planes of one MCU row, padding included, and room for chroma rows before down-sampling. */
typedef struct RdctStrip {
    int16_t *plane[3];
    ptrdiff_t stride[3];
    int16_t *full[4]; /* Cb, Cr of two rows at full width (subsampled pictures only) */
} RdctStrip;

/* All that a worker holds of one MCU row; it stays in its second-level cache. */
typedef struct RdctRowWork {
    RdctStrip strip;
    RdctBlockRow blocks;
    const RdctQuantizer **quantizers; /* of one block row */
    uint32_t *tokens;                 /* rdct_row_tokens_bound */
    RdctBlockRow base;                /* refinements only: the blocks of the base, */
    RdctBlockRow modes;               /* and in `level` alone the modes */
} RdctRowWork;

/* Blocks of a component in an MCU row. */
size_t rdct_row_blocks(const RdctLayout *layout, int component);
size_t rdct_row_work_bytes(const RdctLayout *layout, int refine);
/* memory: rdct_row_work_bytes, aligned to 64. */
void rdct_row_work_init(RdctRowWork *work, const RdctLayout *layout, int refine, uint8_t *memory);

/* A strip whose planes are elsewhere: the caller sets them for each MCU row. memory: rdct_strip_full_samples samples. */
size_t rdct_strip_full_samples(const RdctLayout *layout);
void rdct_strip_init_full(RdctStrip *strip, const RdctLayout *layout, int16_t *memory);

/* Image rows -> planes: (sample-128) x 8, padded by replication. */
void rdct_rows_load(const RdctDsp *dsp, const RdctLayout *layout, const RdctImage *image, int mcu_row, const RdctStrip *strip);
/* Levels of the blocks of an MCU row. */
void rdct_rows_levels(const RdctLayout *layout, const uint8_t *level_map, int mcu_row, const RdctBlockRow *blocks);
/* Planes -> qcoefs and masks, except for SKIP blocks. quantizers: [levels][3]. */
void rdct_rows_quantize(const RdctDsp *dsp, const RdctLayout *layout, const RdctQuantizer *quantizers, const RdctRowWork *work);

#endif
