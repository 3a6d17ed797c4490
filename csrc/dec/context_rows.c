/* SPDX-License-Identifier: Apache-2.0 */
#include "dec/context_rows.h"

#include <string.h>

#include "common/status.h"
#include "dec/context.h"

/* At the front of its memory; what it points to comes behind. */
struct RdctContextRows {
    RdctBlockModel model;
    RdctContextReader reader; /* its plain bits are state->reader between rows */
    const uint8_t *symbols;
    size_t size;           /* of the range-coded bytes */
    int begun;             /* a row above belongs to the slice */
    RdctNeighbour *row[3]; /* [blocks_wide] */
    int16_t *qcoef;        /* of one block row, as are the next two */
    uint64_t *nonzero;
    const uint16_t **steps;
};

static size_t whole_lines(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

static size_t front_bytes(void) {
    return whole_lines(sizeof(struct RdctContextRows));
}

size_t rdct_context_rows_bytes(const RdctTask *task) {
    const RdctLayout *layout = task->layout;
    if (task->model == NULL)
        return 0;
    size_t bytes = front_bytes();
    for (int c = 0; c < layout->components; c++)
        bytes += (size_t)layout->blocks_wide[c] * sizeof(RdctNeighbour);
    const size_t wide = (size_t)layout->blocks_wide[0];
    return bytes + wide * 64 * sizeof(int16_t) + whole_lines(wide * sizeof(uint64_t)) + whole_lines(wide * sizeof(uint16_t *));
}

static void lay_out(struct RdctContextRows *rows, const RdctLayout *layout) {
    uint8_t *next = (uint8_t *)rows + front_bytes();
    const size_t wide = (size_t)layout->blocks_wide[0];
    for (int c = 0; c < layout->components; c++) {
        rows->row[c] = (RdctNeighbour *)(void *)next;
        next += (size_t)layout->blocks_wide[c] * sizeof(RdctNeighbour);
    }
    rows->qcoef = (int16_t *)(void *)next;
    next += wide * 64 * sizeof(int16_t);
    rows->nonzero = (uint64_t *)(void *)next;
    rows->steps = (const uint16_t **)(void *)(next + whole_lines(wide * sizeof(uint64_t)));
}

/* varint n, at most what is left; -1 if it is no such number. */
static int64_t read_size(const uint8_t **next, const uint8_t *end) {
    uint64_t n = 0;
    for (int i = 0; i < 5 && *next < end; i++) {
        const uint8_t byte = *(*next)++;
        n |= (uint64_t)(byte & 127) << (7 * i);
        if (byte < 128)
            return (i > 0 && byte == 0) || n > (uint64_t)(end - *next) ? -1 : (int64_t)n;
    }
    return -1;
}

int rdct_context_rows_open(const RdctTask *task, int slice, void *memory, RdctRowState *state, RdctError *err) {
    struct RdctContextRows *rows = memory;
    const uint8_t *next = state->start;
    const int64_t n = read_size(&next, state->finish);
    const long long at = (long long)(state->start - task->data);
    if (n < 0)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "slice_symbols", at, slice, "slice %d does not say how many bytes its symbols take",
                            slice);
    if (n > 0 && next[n - 1] == 0)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "slice_symbols", at, slice, "the symbols of slice %d end in a zero byte", slice);
    lay_out(rows, task->layout);
    rows->model = *task->model;
    rows->reader.model = &rows->model;
    rows->symbols = next;
    rows->size = (size_t)n;
    rows->begun = 0;
    rdct_symbol_decoder_init(&rows->reader.symbols, next, rows->size);
    rdct_bitreader_init(&state->reader, next + n, (size_t)(state->finish - next - n), 0);
    state->context = rows;
    return RDCT_OK;
}

int rdct_context_rows_check_end(const RdctRowState *state, const RdctTask *task, int slice, RdctError *err) {
    const struct RdctContextRows *rows = state->context;
    if (rdct_symbol_decoder_at_end(&rows->reader.symbols, rows->size))
        return RDCT_OK;
    return rdct_fail_at(err, RDCT_ERR_CORRUPT, "slice_trailing", (long long)(rows->symbols - task->data), slice,
                        "the symbols of slice %d take fewer bytes than it has for them", slice);
}

/* One block row of a component. */
static RdctBlockFault read_blocks(const RdctTask *task, struct RdctContextRows *rows, const uint8_t *levels, int c, int above) {
    const int wide = task->layout->blocks_wide[c];
    RdctNeighbour *row = rows->row[c];
    RdctRowPlace place = {.row = row, .wide = wide, .above = above};
    memset(rows->qcoef, 0, (size_t)wide * 64 * sizeof *rows->qcoef);
    for (int x = 0; x < wide; x++) {
        const int coded_above = above && row[x].coded;
        const int16_t dc_above = coded_above ? row[x].dc : 0;
        place.x = x;
        if (levels[x] == RDCT_SKIP) {
            row[x].coded = 0;
        } else {
            const int t = levels[x] * 3 + c;
            const RdctNeighbour *same = c == 2 && rows->row[1][x].coded ? &rows->row[1][x] : NULL;
            const RdctBlockFault fault = rdct_context_read_block(&rows->reader, &place, &task->model_steps[t], same, c > 0,
                                                                 rows->qcoef + 64 * (ptrdiff_t)x, &rows->nonzero[x]);
            if (fault != RDCT_BLOCK_OK)
                return fault;
            rows->steps[x] = task->steps + 64 * (ptrdiff_t)t;
        }
        place.left_above_coded = coded_above;
        place.left_above_dc = dc_above;
    }
    return RDCT_BLOCK_OK;
}

static void put_blocks(const RdctTask *task, const struct RdctContextRows *rows, const uint8_t *levels, int c, int block_y,
                       RdctMcuRange wanted, int16_t *to, ptrdiff_t stride) {
    const int h = c == 0 ? task->layout->h_samp : 1, wide = task->layout->blocks_wide[c];
    const int first = wanted.first * h, last = wanted.last * h < wide ? wanted.last * h : wide;
    if (task->exit == RDCT_EXIT_COEFFICIENTS) {
        memcpy(to, rows->qcoef, (size_t)wide * 64 * sizeof *to);
    } else if (first < last) {
        const RdctBlockRun run = {rows->qcoef + 64 * (ptrdiff_t)first, rows->nonzero + first, rows->steps + first};
        rdct_put_samples(task, levels + first, &run, c, first, block_y, last - first, to + 8 * (ptrdiff_t)first, stride);
    }
}

int rdct_context_mcu_row(const RdctTask *task, RdctRowState *state, int slice, int mcu_row, RdctMcuRange wanted,
                         const RdctRowTarget *target, RdctError *err) {
    struct RdctContextRows *rows = state->context;
    rows->reader.plain = state->reader;
    for (int c = 0; c < task->layout->components; c++) {
        const int v = c == 0 ? task->layout->v_samp : 1, lines = task->exit == RDCT_EXIT_COEFFICIENTS ? 1 : 8;
        for (int y = 0; y < v; y++) {
            const uint8_t *levels = state->levels[c][y];
            const RdctBlockFault fault = read_blocks(task, rows, levels, c, rows->begun || y > 0);
            state->reader = rows->reader.plain;
            if (fault != RDCT_BLOCK_OK)
                return rdct_fail_block(task, state, slice, fault, err);
            put_blocks(task, rows, levels, c, mcu_row * v + y, wanted, target->plane[c] + lines * y * target->stride[c], target->stride[c]);
        }
    }
    rows->begun = 1;
    return state->reader.overrun || state->reader.count < 0 ? rdct_fail_overrun(task, state, slice, err) : RDCT_OK;
}
