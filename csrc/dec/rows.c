/* SPDX-License-Identifier: Apache-2.0 */
#include "dec/rows.h"

#include <stdalign.h>
#include <string.h>

#include "common/intops.h"
#include "common/status.h"

enum { ROI_MARGIN = 4 }; /* pixels around a region that up-sampling may look at */

static int64_t position(const RdctTask *task, const RdctRowState *state) {
    const int64_t at = (int64_t)(state->reader.next - task->data) - state->reader.count / 8;
    return at < state->start - task->data ? (int64_t)(state->start - task->data) : at;
}

/* The reader ran dry: a slice that is too short, or a scan cut off or ended by a marker. */
static int fail_overrun(const RdctTask *task, const RdctRowState *state, int slice, RdctError *err) {
    const uint8_t *end = state->reader.end;
    const long long at = (long long)(end - task->data);
    if (task->slices)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "slice_overrun", at, slice, "slice %d needs more bits than it has", slice);
    while (end < state->finish && *end == 0xFF)
        end++;
    if (end == state->finish)
        return rdct_fail_at(err, RDCT_ERR_TRUNCATED, "truncated_scan", at, slice, "the JPEG data end at byte %lld, inside the scan", at);
    return rdct_fail_at(err, RDCT_ERR_CORRUPT, "marker_in_scan", at, slice,
                        "the marker FF %02X at byte %lld comes before the scan is complete", *end, at);
}

static int fail_block(const RdctTask *task, const RdctRowState *state, int slice, RdctBlockFault fault, RdctError *err) {
    const long long at = (long long)position(task, state);
    if (state->reader.overrun || state->reader.count < 0) /* zeros from past the end: that is what went wrong */
        return fail_overrun(task, state, slice, err);
    if (fault == RDCT_BLOCK_MISSING_CODE)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "missing_code", at, slice, "near byte %lld stand bits that no Huffman code has", at);
    if (fault == RDCT_BLOCK_SIZE)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "coefficient_size", at, slice, "near byte %lld a coefficient has an impossible size",
                            at);
    if (fault == RDCT_BLOCK_RUN)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "run", at, slice, "near byte %lld a run of zeros passes the end of its block", at);
    return rdct_fail_at(err, RDCT_ERR_CORRUPT, "dc_range", at, slice, "near byte %lld a DC coefficient leaves -2048..2047", at);
}

/* The bits before a restart marker are used up to less than a byte; then the marker, in turn; then everything starts anew. */
static int take_restart(const RdctTask *task, RdctRowState *state, int slice, RdctError *err) {
    RdctBitReader *reader = &state->reader;
    rdct_bitreader_refill(reader);
    if (reader->overrun)
        return fail_overrun(task, state, slice, err);
    const uint8_t *p = reader->end;
    while (state->finish - p >= 2 && p[0] == 0xFF && p[1] == 0xFF)
        p++;
    if (reader->next == reader->end && state->finish - p < 2)
        return fail_overrun(task, state, slice, err);
    if (reader->next != reader->end || reader->count >= 8 || p[0] != 0xFF || p[1] != 0xD0 + state->restarts % 8) {
        const long long at = (long long)position(task, state);
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "restart_marker", at, slice, "near byte %lld the restart marker RST%d is missing", at,
                            state->restarts % 8);
    }
    p += 2;
    rdct_bitreader_init(reader, p, (size_t)(state->finish - p), 1);
    state->restarts++;
    state->until_restart = task->restart_interval;
    for (int c = 0; c < 3; c++)
        state->level[c] = -1;
    return RDCT_OK;
}

/* Docs section 6: the predecessor's reconstruction, in steps of this block. */
static inline int predict_dc(const RdctTask *task, const RdctRowState *state, int c, int level) {
    const int last = state->level[c];
    if (last == level)
        return state->dc[c];
    if (last < 0)
        return 0;
    const int step = task->steps[(level * 3 + c) * 64], last_step = task->steps[(last * 3 + c) * 64];
    if (step == last_step)
        return state->dc[c];
    return rdct_round_div(rdct_clamp(state->dc[c] * last_step, -1024, 1023), step);
}

/* A SKIP block: zeros, or what the base picture has there. */
static void fill_block(const RdctTask *task, int c, int block_x, int block_y, int16_t *samples, ptrdiff_t stride) {
    const RdctPlanes *base = task->base;
    for (int y = 0; y < 8; y++) {
        if (base)
            memcpy(samples + y * stride, base->planes[c] + (ptrdiff_t)(block_y * 8 + y) * base->width[c] + block_x * 8,
                   8 * sizeof *samples);
        else
            memset(samples + y * stride, 0, 8 * sizeof *samples);
    }
}

typedef struct Place {
    int c, x, y, level; /* block x, y within the component */
    int wanted;
    int16_t *to; /* 64 coefficients or the block's first sample */
    ptrdiff_t stride;
} Place;

static int decode_one(const RdctTask *task, RdctRowState *state, int slice, const Place *place, RdctError *err) {
    alignas(64) int16_t local[64];
    const int c = place->c, as_samples = task->exit != RDCT_EXIT_COEFFICIENTS;
    int16_t *block = as_samples ? local : place->to;
    uint64_t nonzero;
    if (place->level == RDCT_SKIP) {
        if (!as_samples)
            memset(block, 0, sizeof local);
        else if (place->wanted)
            fill_block(task, c, place->x, place->y, place->to, place->stride);
        return RDCT_OK;
    }
    memset(block, 0, sizeof local);
    const RdctBlockFault fault =
        rdct_decode_block(&state->reader, task->tables[c], predict_dc(task, state, c, place->level), block, &nonzero);
    if (fault != RDCT_BLOCK_OK)
        return fail_block(task, state, slice, fault, err);
    state->dc[c] = block[0];
    state->level[c] = place->level;
    if (as_samples && place->wanted) {
        const uint16_t *steps = task->steps + (place->level * 3 + c) * 64;
        task->dsp->dequant_idct(block, &steps, &nonzero, 1, place->to, place->stride);
    }
    return RDCT_OK;
}

static void find_levels(const RdctTask *task, RdctRowState *state, int mcu_row) {
    const RdctLayout *layout = task->layout;
    for (int c = 0; c < layout->components; c++) {
        const int v = c == 0 ? layout->v_samp : 1;
        for (int y = 0; y < v; y++) {
            if (task->level_map)
                rdct_block_levels(layout, task->level_map, c, mcu_row * v + y, state->levels[c][y]);
            else
                memset(state->levels[c][y], 0, (size_t)layout->blocks_wide[c]);
        }
    }
}

int rdct_decode_mcu_row(const RdctTask *task, RdctRowState *state, int slice, int mcu_row, int wanted, const RdctRowTarget *target,
                        RdctError *err) {
    const RdctLayout *layout = task->layout;
    const int mcu_side = 8 * layout->h_samp, in_samples = task->exit != RDCT_EXIT_COEFFICIENTS;
    find_levels(task, state, mcu_row);
    for (int mcu = 0; mcu < layout->mcu_wide; mcu++) {
        Place place;
        place.wanted = wanted && mcu * mcu_side < task->x1 + ROI_MARGIN && (mcu + 1) * mcu_side > task->x0 - ROI_MARGIN;
        if (task->restart_interval > 0) {
            if (state->until_restart == 0)
                RDCT_TRY(take_restart(task, state, slice, err));
            state->until_restart--;
        }
        for (int c = 0; c < layout->components; c++) {
            const int h = c == 0 ? layout->h_samp : 1, v = c == 0 ? layout->v_samp : 1;
            place.c = c;
            place.stride = target->stride[c];
            for (int y = 0; y < v; y++)
                for (int x = 0; x < h; x++) {
                    place.x = mcu * h + x;
                    place.y = mcu_row * v + y;
                    place.level = state->levels[c][y][place.x];
                    place.to = target->plane[c] + (in_samples ? y * 8 : y) * place.stride + place.x * (in_samples ? 8 : 64);
                    RDCT_TRY(decode_one(task, state, slice, &place, err));
                }
        }
    }
    if (state->reader.overrun || state->reader.count < 0)
        return fail_overrun(task, state, slice, err);
    return RDCT_OK;
}
