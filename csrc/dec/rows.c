/* SPDX-License-Identifier: Apache-2.0 */
#include "dec/rows.h"

#include <stdalign.h>
#include <string.h>

#include "common/intops.h"
#include "common/status.h"
#include "dec/context_rows.h"
#include "dec/refine.h"

enum { ROI_MARGIN = 4 }; /* pixels around a region that up-sampling may look at */

static int64_t position(const RdctTask *task, const RdctRowState *state) {
    const int64_t at = (int64_t)(state->reader.next - task->data) - state->reader.count / 8;
    return at < state->start - task->data ? (int64_t)(state->start - task->data) : at;
}

/* The reader ran dry: a slice that is too short, or a scan cut off or ended by a marker. */
int rdct_fail_overrun(const RdctTask *task, const RdctRowState *state, int slice, RdctError *err) {
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

int rdct_fail_block(const RdctTask *task, const RdctRowState *state, int slice, RdctBlockFault fault, RdctError *err) {
    const long long at = (long long)position(task, state);
    if (state->reader.overrun || state->reader.count < 0) /* zeros from past the end: that is what went wrong */
        return rdct_fail_overrun(task, state, slice, err);
    if (fault == RDCT_BLOCK_MISSING_CODE)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "missing_code", at, slice, "near byte %lld stand bits that no Huffman code has", at);
    if (fault == RDCT_BLOCK_SIZE)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "coefficient_size", at, slice, "near byte %lld a coefficient has an impossible size",
                            at);
    if (fault == RDCT_BLOCK_RUN)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "run", at, slice, "near byte %lld a run of zeros passes the end of its block", at);
    if (fault == RDCT_BLOCK_AC_RANGE)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "refine_range", at, slice, "near byte %lld a refined coefficient leaves -1023..1023",
                            at);
    return rdct_fail_at(err, RDCT_ERR_CORRUPT, "dc_range", at, slice, "near byte %lld a DC coefficient leaves -2048..2047", at);
}

/* The bits before a restart marker are used up to less than a byte; then the marker, in turn; then everything starts anew. */
static int take_restart(const RdctTask *task, RdctRowState *state, int slice, RdctError *err) {
    RdctBitReader *reader = &state->reader;
    rdct_bitreader_refill(reader);
    if (reader->overrun)
        return rdct_fail_overrun(task, state, slice, err);
    const uint8_t *p = reader->end;
    while (state->finish - p >= 2 && p[0] == 0xFF && p[1] == 0xFF)
        p++;
    if (reader->next == reader->end && state->finish - p < 2)
        return rdct_fail_overrun(task, state, slice, err);
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
        state->dc_step[c] = (RdctDcStep){0, 0};
    return RDCT_OK;
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

/* Blocks of a few MCUs between bits and samples: small enough for the first-level cache, long enough for runs of transforms. */
enum { CHUNK_MCUS = 16, CHUNK_BLOCKS = 6 * CHUNK_MCUS };
typedef struct Chunk {
    alignas(64) int16_t qcoef[CHUNK_BLOCKS * 64]; /* a component's block rows one after the other */
    uint64_t nonzero[CHUNK_BLOCKS];
    const uint16_t *steps[CHUNK_BLOCKS];
    int mcu_row, first, mcus; /* MCUs first..first + mcus - 1 */
} Chunk;

static int blocks_across(const RdctLayout *layout, int c) {
    return c == 0 ? layout->h_samp : 1;
}

static int blocks_down(const RdctLayout *layout, int c) {
    return c == 0 ? layout->v_samp : 1;
}

/* Place in the chunk of a component's first block of block row y. */
static int chunk_row(const RdctLayout *layout, const Chunk *chunk, int c, int y) {
    const int luma = layout->h_samp * layout->v_samp;
    return chunk->mcus * (c == 0 ? y * layout->h_samp : luma + c - 1);
}

static RdctBaseBlock base_block(const RdctTask *task, const RdctRowState *state, int c, const uint8_t *level, int x, int y) {
    return rdct_base_block(task, c, x, y, level[2 * state->refine_rows]);
}

/* One component of one MCU. refine: a constant. Inlined, so that the reader stays in registers. */
static inline __attribute__((always_inline)) RdctBlockFault decode_component(const RdctTask *task, RdctRowState *state,
                                                                             RdctBitReader *reader, int c, int mcu, Chunk *chunk,
                                                                             int refine) {
    const RdctLayout *layout = task->layout;
    const int h = blocks_across(layout, c), v = blocks_down(layout, c), first = h * (chunk->first + mcu);
    for (int y = 0; y < v; y++) {
        const uint8_t *levels = state->levels[c][y] + first;
        for (int x = 0; x < h; x++) {
            const int level = levels[x], place = chunk_row(layout, chunk, c, y) + h * mcu + x;
            if (level == RDCT_SKIP)
                continue;
            int16_t *qcoef = chunk->qcoef + 64 * place;
            uint64_t *nonzero = &chunk->nonzero[place];
            if (refine && level == RDCT_SHOW_BASE) {
                const RdctBaseBlock base = base_block(task, state, c, levels + x, first + x, chunk->mcu_row * v + y);
                rdct_show_base(&base, qcoef, nonzero);
                chunk->steps[place] = base.steps;
                continue;
            }
            const RdctDcStep dc_step = task->dc_steps[level * 3 + c];
            RdctBlockFault fault;
            chunk->steps[place] = task->steps + (level * 3 + c) * 64;
            if (refine && levels[x + state->refine_rows]) {
                const RdctBaseBlock base = base_block(task, state, c, levels + x, first + x, chunk->mcu_row * v + y);
                fault = rdct_decode_refined(reader, task->tables[c], &base, chunk->steps[place], qcoef, nonzero);
            } else {
                fault =
                    rdct_decode_block(reader, task->tables[c], rdct_predict_dc(state->dc[c], state->dc_step[c], dc_step), qcoef, nonzero);
            }
            if (fault != RDCT_BLOCK_OK)
                return fault;
            state->dc[c] = qcoef[0];
            state->dc_step[c] = dc_step;
        }
    }
    return RDCT_BLOCK_OK;
}

/* The MCUs of a chunk. refine: a constant. */
static inline __attribute__((always_inline)) int decode_mcus(const RdctTask *task, RdctRowState *state, int slice, Chunk *chunk, int refine,
                                                             RdctError *err) {
    const int components = task->layout->components;
    RdctBlockFault fault = RDCT_BLOCK_OK;
    for (int mcu = 0; mcu < chunk->mcus && fault == RDCT_BLOCK_OK; mcu++) {
        if (task->restart_interval > 0) {
            if (state->until_restart == 0)
                RDCT_TRY(take_restart(task, state, slice, err));
            state->until_restart--;
        }
        RdctBitReader reader = state->reader; /* a copy the compiler can keep in registers */
        for (int c = 0; c < components && fault == RDCT_BLOCK_OK; c++)
            fault = decode_component(task, state, &reader, c, mcu, chunk, refine);
        state->reader = reader;
    }
    return fault == RDCT_BLOCK_OK ? RDCT_OK : rdct_fail_block(task, state, slice, fault, err);
}

/* Apart, so that what most streams are is compiled by itself: a refinement needs registers that the other has better use for. */
static __attribute__((noinline)) int decode_plain(const RdctTask *task, RdctRowState *state, int slice, Chunk *chunk, RdctError *err) {
    return decode_mcus(task, state, slice, chunk, 0, err);
}

static __attribute__((noinline)) int decode_refinement(const RdctTask *task, RdctRowState *state, int slice, Chunk *chunk, RdctError *err) {
    return decode_mcus(task, state, slice, chunk, 1, err);
}

static int decode_chunk(const RdctTask *task, RdctRowState *state, int slice, Chunk *chunk, RdctError *err) {
    const RdctLayout *layout = task->layout;
    memset(chunk->qcoef, 0, sizeof *chunk->qcoef * 64 * (size_t)chunk_row(layout, chunk, layout->components, 0));
    return task->refine ? decode_refinement(task, state, slice, chunk, err) : decode_plain(task, state, slice, chunk, err);
}

/* Coefficients of one block row of the chunk; SKIP blocks are zeros already. */
static void put_coefficients(const int16_t *qcoef, int blocks, int16_t *to) {
    memcpy(to, qcoef, (size_t)blocks * 64 * sizeof *to);
}

void rdct_put_samples(const RdctTask *task, const uint8_t *levels, const RdctBlockRun *run, int c, int first, int block_y, int blocks,
                      int16_t *to, ptrdiff_t stride) {
    for (int x = 0; x < blocks;) {
        const int start = x;
        while (x < blocks && levels[x] != RDCT_SKIP)
            x++;
        if (x > start)
            task->dsp->dequant_idct(run->qcoef + 64 * start, run->steps + start, run->nonzero + start, x - start, to + 8 * start, stride);
        for (; x < blocks && levels[x] == RDCT_SKIP; x++)
            fill_block(task, c, first + x, block_y, to + 8 * x, stride);
    }
}

static RdctMcuRange wanted_mcus(const RdctTask *task, int row_wanted) {
    const int side = 8 * task->layout->h_samp, left = task->x0 - ROI_MARGIN, right = task->x1 + ROI_MARGIN;
    RdctMcuRange wanted = {left < side ? 0 : left / side, (right + side - 1) / side};
    if (!row_wanted)
        wanted.last = wanted.first;
    return wanted;
}

static void put_chunk(const RdctTask *task, const RdctRowState *state, const Chunk *chunk, RdctMcuRange wanted,
                      const RdctRowTarget *target) {
    const RdctLayout *layout = task->layout;
    int from = wanted.first > chunk->first ? wanted.first : chunk->first, to = chunk->first + chunk->mcus;
    to = wanted.last < to ? wanted.last : to;
    for (int c = 0; c < layout->components; c++) {
        const int h = blocks_across(layout, c), v = blocks_down(layout, c);
        for (int y = 0; y < v; y++) {
            const int place = chunk_row(layout, chunk, c, y);
            const ptrdiff_t stride = target->stride[c];
            if (task->exit == RDCT_EXIT_COEFFICIENTS)
                put_coefficients(chunk->qcoef + 64 * place, chunk->mcus * h, target->plane[c] + y * stride + 64 * chunk->first * h);
            else if (from < to) {
                const int start = place + (from - chunk->first) * h;
                const RdctBlockRun run = {chunk->qcoef + 64 * start, chunk->nonzero + start, chunk->steps + start};
                rdct_put_samples(task, state->levels[c][y] + from * h, &run, c, from * h, chunk->mcu_row * v + y, (to - from) * h,
                                 target->plane[c] + 8 * y * stride + 8 * from * h, stride);
            }
        }
    }
}

static void find_levels(const RdctTask *task, RdctRowState *state, int mcu_row) {
    const RdctLayout *layout = task->layout;
    for (int c = 0; c < layout->components; c++) {
        const int v = c == 0 ? layout->v_samp : 1;
        for (int y = 0; y < v; y++) {
            if (task->refine)
                rdct_refine_levels(task, c, mcu_row * v + y, state->levels[c][y], state->refine_rows, state->lost);
            else if (state->lost)
                memset(state->levels[c][y], RDCT_SKIP, (size_t)layout->blocks_wide[c]);
            else if (task->level_map)
                rdct_block_levels(layout, task->level_map, c, mcu_row * v + y, state->levels[c][y]);
            else
                memset(state->levels[c][y], 0, (size_t)layout->blocks_wide[c]);
        }
    }
}

int rdct_decode_mcu_row(const RdctTask *task, RdctRowState *state, int slice, int mcu_row, int wanted, const RdctRowTarget *target,
                        RdctError *err) {
    const int mcus = task->layout->mcu_wide;
    const RdctMcuRange range = wanted_mcus(task, wanted);
    Chunk chunk;
    chunk.mcu_row = mcu_row;
    find_levels(task, state, mcu_row);
    if (state->context != NULL)
        return rdct_context_mcu_row(task, state, slice, mcu_row, range, target, err);
    for (int first = 0; first < mcus; first += CHUNK_MCUS) {
        chunk.first = first;
        chunk.mcus = mcus - first < CHUNK_MCUS ? mcus - first : CHUNK_MCUS;
        RDCT_TRY(decode_chunk(task, state, slice, &chunk, err));
        put_chunk(task, state, &chunk, range, target);
    }
    if (state->reader.overrun || state->reader.count < 0)
        return rdct_fail_overrun(task, state, slice, err);
    return RDCT_OK;
}
