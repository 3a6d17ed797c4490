/* SPDX-License-Identifier: Apache-2.0
 * One decoding task: all that the slices of one call share, and never change. */
#ifndef RDCT_DEC_DECODER_H
#define RDCT_DEC_DECODER_H

#include "common/dc.h"
#include "common/layout.h"
#include "dec/symbols.h"
#include "dsp/dsp.h"
#include "rdct.h"
#include "stream/header.h"

typedef enum RdctExit { RDCT_EXIT_COEFFICIENTS, RDCT_EXIT_PLANES, RDCT_EXIT_PIXELS } RdctExit;

typedef struct RdctTask {
    const RdctDsp *dsp;
    const RdctLayout *layout;
    const uint8_t *level_map; /* NULL: level 0 everywhere (JPEG) */
    const uint16_t *steps;    /* [levels][3][64], scaled, natural order */
    const RdctBlockTables *tables[3];
    RdctDcStep dc_steps[3 * RDCT_MAX_LEVELS]; /* [levels][3] */
    const RdctBase *refine;                   /* of a refinement stream, with the modes of its regions; else NULL */
    const uint8_t *modes;

    const uint8_t *data;
    size_t size;
    const RdctSliceEntry *slices; /* NULL: a JPEG scan at scan_offset */
    int64_t scan_offset;
    int restart_interval;

    RdctExit exit;
    RdctCoefficients *coefficients;
    RdctPlanes *planes;
    const RdctPlanes *base; /* or NULL */
    uint8_t *out;           /* pixels */
    ptrdiff_t row_stride;
    int sample_type;
    int x0, y0, x1, y1; /* what is wanted of the picture; all of it unless exit is PIXELS */
} RdctTask;

#endif
