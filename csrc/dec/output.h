/* SPDX-License-Identifier: Apache-2.0
 * Samples to pixels: a window of one MCU row (and, for 4:2:0, the row above it), up-sampled and converted line by line. */
#ifndef RDCT_DEC_OUTPUT_H
#define RDCT_DEC_OUTPUT_H

#include "dec/decoder.h"

typedef struct RdctWindow {
    int16_t *plane[3];                 /* first row of the current MCU row; with 4:2:0 one row of the last one lies above */
    ptrdiff_t stride[3];               /* samples */
    int16_t *vertical, *horizontal[2]; /* one line of chroma on its way up */
} RdctWindow;

/* i16 samples the window needs for this picture; rdct_window_init lays it out in that memory. */
size_t rdct_window_samples(const RdctLayout *layout);
void rdct_window_init(RdctWindow *window, const RdctLayout *layout, int16_t *memory);

/* Writes the lines that are complete once MCU row `mcu_row` of the slice first..last-1 is in the window. */
void rdct_window_emit(const RdctTask *task, RdctWindow *window, int mcu_row, int first, int last);

#endif
