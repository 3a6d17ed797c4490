/* SPDX-License-Identifier: Apache-2.0 */
#include "dec/slice.h"

#include "common/status.h"
#include "dec/output.h"
#include "dec/rows.h"

enum { ROI_MARGIN = 4 }; /* lines around a region that up-sampling may look at */

static size_t level_bytes(const RdctLayout *layout) {
    return ((size_t)layout->blocks_wide[0] + 63) / 64 * 64;
}

/* Two of luma, one of each chroma; a refinement has as many for modes and for the levels of its base. */
static size_t level_rows(const RdctTask *task) {
    return task->refine ? 12 : 4;
}

size_t rdct_slice_scratch_bytes(const RdctTask *task) {
    const size_t window = task->exit == RDCT_EXIT_PIXELS ? rdct_window_samples(task->layout) * sizeof(int16_t) : 0;
    return level_rows(task) * level_bytes(task->layout) + window;
}

static int check_bytes(const RdctTask *task, int slice, RdctError *err) {
    const RdctSliceEntry *entry = &task->slices[slice];
    if (entry->offset + entry->size > (int64_t)task->size)
        return rdct_fail_at(err, RDCT_ERR_TRUNCATED, "truncated_slice", (int64_t)task->size, slice,
                            "the data end at byte %lld, before the end of slice %d", (long long)task->size, slice);
    if (task->dsp->crc32c(task->data + entry->offset, (size_t)entry->size) != entry->crc)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "slice_crc", entry->offset, slice, "the checksum of slice %d does not match", slice);
    return RDCT_OK;
}

static void open_slice(const RdctTask *task, int slice, void *scratch, RdctRowState *state) {
    const size_t row = level_bytes(task->layout);
    uint8_t *levels = scratch;
    int64_t offset = task->scan_offset, size = (int64_t)task->size - offset;
    if (task->slices) {
        offset = task->slices[slice].offset;
        size = task->slices[slice].size;
    }
    state->start = task->data + offset;
    state->finish = state->start + size;
    rdct_bitreader_init(&state->reader, state->start, (size_t)size, task->slices == NULL);
    state->until_restart = task->restart_interval;
    state->restarts = 0;
    state->refine_rows = 4 * (ptrdiff_t)row;
    for (int c = 0; c < 3; c++) {
        state->dc[c] = 0;
        state->dc_step[c] = (RdctDcStep){0, 0};
        state->levels[c][0] = levels + (c == 0 ? 0 : (size_t)c + 1) * row;
        state->levels[c][1] = levels + row; /* luma alone has a second row */
    }
}

/* A slice ends within its last byte, padded with zeros. */
static int check_end(const RdctRowState *state, const RdctTask *task, int slice, RdctError *err) {
    const RdctBitReader *reader = &state->reader;
    const int64_t bits = (int64_t)reader->count + 8 * (int64_t)(reader->end - reader->next);
    const int64_t at = (int64_t)(state->finish - task->data) - bits / 8;
    if (bits >= 8)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "slice_trailing", at, slice, "slice %d is longer than its blocks need", slice);
    if (bits > 0 && reader->buffer >> (64 - bits) != 0)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "slice_padding", at - 1, slice, "the last byte of slice %d is not padded with zeros",
                            slice);
    return RDCT_OK;
}

static void row_target(const RdctTask *task, const RdctWindow *window, int mcu_row, RdctRowTarget *target) {
    const RdctLayout *layout = task->layout;
    for (int c = 0; c < layout->components; c++) {
        const ptrdiff_t block_row = (ptrdiff_t)mcu_row * (c == 0 ? layout->v_samp : 1);
        if (task->exit == RDCT_EXIT_PIXELS) {
            target->plane[c] = window->plane[c];
            target->stride[c] = window->stride[c];
        } else if (task->exit == RDCT_EXIT_PLANES) {
            target->stride[c] = task->planes->width[c];
            target->plane[c] = task->planes->planes[c] + block_row * 8 * target->stride[c];
        } else {
            target->stride[c] = (ptrdiff_t)layout->blocks_wide[c] * 64;
            target->plane[c] = task->coefficients->planes[c] + block_row * target->stride[c];
        }
    }
}

int rdct_decode_slice(const RdctTask *task, int slice, void *scratch, RdctError *err) {
    const RdctLayout *layout = task->layout;
    const int side = 8 * layout->v_samp;
    RdctRowState state;
    RdctRowTarget target = {{NULL, NULL, NULL}, {0, 0, 0}};
    RdctWindow window;
    int first, last;
    if (task->slices)
        RDCT_TRY(check_bytes(task, slice, err));
    open_slice(task, slice, scratch, &state);
    if (task->exit == RDCT_EXIT_PIXELS)
        rdct_window_init(&window, layout, (int16_t *)(void *)((uint8_t *)scratch + level_rows(task) * level_bytes(layout)));
    rdct_slice_mcu_rows(layout, slice, &first, &last);
    for (int mcu_row = first; mcu_row < last; mcu_row++) {
        const int wanted = mcu_row * side < task->y1 + ROI_MARGIN && (mcu_row + 1) * side > task->y0 - ROI_MARGIN;
        row_target(task, &window, mcu_row, &target);
        RDCT_TRY(rdct_decode_mcu_row(task, &state, slice, mcu_row, wanted, &target, err));
        if (task->exit == RDCT_EXIT_PIXELS)
            rdct_window_emit(task, &window, mcu_row, first, last);
    }
    return task->slices ? check_end(&state, task, slice, err) : RDCT_OK;
}
