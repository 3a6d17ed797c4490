/* SPDX-License-Identifier: Apache-2.0 */
#include "dec/output.h"

#include <string.h>

enum { ALIGN = 32, SLACK = 32 }; /* samples */

static size_t padded(int samples) {
    return ((size_t)samples + SLACK + ALIGN - 1) / ALIGN * ALIGN;
}

static int rows_above(const RdctLayout *layout) {
    return layout->v_samp - 1;
}

static int rows_of(const RdctLayout *layout, int c) {
    return 8 * (c == 0 ? layout->v_samp : 1);
}

size_t rdct_window_samples(const RdctLayout *layout) {
    size_t n = 0;
    for (int c = 0; c < layout->components; c++)
        n += padded(layout->blocks_wide[c] * 8) * (size_t)(rows_of(layout, c) + rows_above(layout));
    return n + 3 * padded(layout->blocks_wide[0] * 8);
}

void rdct_window_init(RdctWindow *window, const RdctLayout *layout, int16_t *memory) {
    memset(window, 0, sizeof *window);
    for (int c = 0; c < layout->components; c++) {
        const size_t stride = padded(layout->blocks_wide[c] * 8);
        window->stride[c] = (ptrdiff_t)stride;
        window->plane[c] = memory + stride * (size_t)rows_above(layout);
        memory += stride * (size_t)(rows_of(layout, c) + rows_above(layout));
    }
    window->vertical = memory;
    window->horizontal[0] = memory + padded(layout->blocks_wide[0] * 8);
    window->horizontal[1] = window->horizontal[0] + padded(layout->blocks_wide[0] * 8);
}

static void convert_line(const RdctTask *task, const int16_t *const lines[3], int n, uint8_t *out) {
    const RdctDsp *dsp = task->dsp;
    if (task->layout->components == 1) {
        if (task->sample_type == RDCT_U8)
            dsp->y_to_grey8(lines[0], n, out);
        else if (task->sample_type == RDCT_U16)
            dsp->y_to_grey16(lines[0], n, (uint16_t *)(void *)out);
        else
            dsp->y_to_greyf(lines[0], n, (float *)(void *)out);
    } else {
        if (task->sample_type == RDCT_U8)
            dsp->ycc_to_rgb8(lines[0], lines[1], lines[2], n, out);
        else if (task->sample_type == RDCT_U16)
            dsp->ycc_to_rgb16(lines[0], lines[1], lines[2], n, (uint16_t *)(void *)out);
        else
            dsp->ycc_to_rgbf(lines[0], lines[1], lines[2], n, (float *)(void *)out);
    }
}

/* Rows of a chroma plane that up-sampling may mix: those of one slice, and of the picture. */
typedef struct Extent {
    int first, last;
} Extent;

/* The row next to `row` on the side of line y, held inside the slice. */
static int far_row(int row, int y, Extent extent) {
    const int far = y % 2 == 0 ? row - 1 : row + 1;
    return far < extent.first || far >= extent.last ? row : far;
}

/* The chroma of line y, columns x0..x1-1. Only the columns the region needs are made, and one more on each side: what the kernel
 * replicates at the cut then falls outside the region, except at the picture's own edge, where replication is the rule. */
static const int16_t *chroma_line(const RdctTask *task, const RdctWindow *window, int c, int y, int mcu_row, Extent extent) {
    const RdctLayout *layout = task->layout;
    const ptrdiff_t stride = window->stride[c];
    const int row = y / layout->v_samp;
    const int16_t *samples = window->plane[c] + (row - mcu_row * 8) * stride;
    if (layout->h_samp == 1)
        return samples + task->x0;
    const int left = task->x0 / 2 - 1, right = (task->x1 - 1) / 2 + 2;
    const int first = left < 0 ? 0 : left, last = right > layout->true_width[c] ? layout->true_width[c] : right;
    samples += first;
    if (layout->v_samp == 2) {
        task->dsp->upsample_v2(samples, samples + (far_row(row, y, extent) - row) * stride, last - first, window->vertical);
        samples = window->vertical;
    }
    task->dsp->upsample_h2(samples, last - first, window->horizontal[c - 1]);
    return window->horizontal[c - 1] + (task->x0 - 2 * first);
}

static void keep_last_row(const RdctLayout *layout, RdctWindow *window) {
    for (int c = 0; c < layout->components; c++) {
        int16_t *first = window->plane[c];
        const ptrdiff_t stride = window->stride[c];
        memcpy(first - stride, first + (rows_of(layout, c) - 1) * stride, (size_t)layout->blocks_wide[c] * 8 * sizeof *first);
    }
}

void rdct_window_emit(const RdctTask *task, RdctWindow *window, int mcu_row, int first, int last) {
    const RdctLayout *layout = task->layout;
    const int side = 8 * layout->v_samp, late = rows_above(layout); /* the last line of an MCU row waits for the next one's chroma */
    int y = mcu_row * side - (mcu_row > first ? late : 0), end = (mcu_row + 1) * side - (mcu_row + 1 < last ? late : 0);
    Extent extent = {first * 8, last * 8};
    if (layout->components > 1 && extent.last > layout->true_height[1])
        extent.last = layout->true_height[1];
    if (y < task->y0)
        y = task->y0;
    if (end > task->y1)
        end = task->y1;
    for (; y < end; y++) {
        const int16_t *lines[3] = {window->plane[0] + (y - mcu_row * side) * window->stride[0] + task->x0, NULL, NULL};
        for (int c = 1; c < layout->components; c++)
            lines[c] = chroma_line(task, window, c, y, mcu_row, extent);
        convert_line(task, lines, task->x1 - task->x0, task->out + (y - task->y0) * task->row_stride);
    }
    if (late > 0 && mcu_row + 1 < last)
        keep_last_row(layout, window);
}
