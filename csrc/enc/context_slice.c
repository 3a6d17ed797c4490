/* SPDX-License-Identifier: Apache-2.0
 * Slices of context-modelled streams: the rows of a slice one after the other, everything learnt forgotten at its end. */
#include <string.h>

#include "common/status.h"
#include "enc/context.h"
#include "enc/context_search.h"
#include "enc/encoder.h"

enum { SHARED_CONTEXT = 9, SIZE_ROOM = 5 }; /* use of RdctContext.shared; bytes of a varint */

/* What a worker needs besides the blocks of a row. */
typedef struct Coder {
    RdctBlockModel model;
    RdctNeighbour *row[3];    /* [blocks_wide] */
    uint8_t *symbols, *plain; /* of the tallest slice, at worst; what is not needed is never touched */
} Coder;

typedef struct RdctContextSlices {
    RdctBlockModel start;  /* as every slice begins */
    RdctModelSteps *steps; /* [levels][3] */
    Coder *coders;         /* [threads] */
} RdctContextSlices;

static size_t whole_lines(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

/* Blocks of an MCU row. */
static size_t row_blocks(const RdctLayout *layout) {
    size_t blocks = 0;
    for (int c = 0; c < layout->components; c++)
        blocks += (size_t)layout->blocks_wide[c] * (size_t)(c == 0 ? layout->v_samp : 1);
    return blocks;
}

/* Blocks of the tallest slice. */
static size_t slice_blocks(const RdctLayout *layout) {
    int tallest = 0;
    for (int i = 0; i < layout->slices; i++) {
        int first, last;
        rdct_slice_mcu_rows(layout, i, &first, &last);
        tallest = last - first > tallest ? last - first : tallest;
    }
    return row_blocks(layout) * (size_t)tallest;
}

static size_t symbol_bytes(const RdctLayout *layout) {
    return whole_lines(slice_blocks(layout) * RDCT_CONTEXT_SYMBOL_BYTES + 64);
}

static size_t plain_bytes(const RdctLayout *layout) {
    return whole_lines(slice_blocks(layout) * RDCT_CONTEXT_PLAIN_BYTES + 64);
}

static size_t neighbour_bytes(const RdctLayout *layout) {
    size_t blocks = 0;
    for (int c = 0; c < layout->components; c++)
        blocks += (size_t)layout->blocks_wide[c];
    return blocks * sizeof(RdctNeighbour);
}

int rdct_context_setup(RdctEncoder *encoder, RdctError *err) {
    const RdctLayout *layout = &encoder->layout;
    const size_t tables = 3 * (size_t)encoder->plan->set->levels, threads = (size_t)rdct_pool_threads(encoder->ctx->pool);
    const size_t front = whole_lines(sizeof(RdctContextSlices)) + tables * sizeof(RdctModelSteps) + threads * whole_lines(sizeof(Coder));
    const size_t each = neighbour_bytes(layout) + symbol_bytes(layout) + plain_bytes(layout);
    uint8_t *next = rdct_scratch_reserve(&encoder->ctx->shared[SHARED_CONTEXT], 1, front + threads * each);
    if (next == NULL)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "no memory to model contexts");
    RdctContextSlices *context = (RdctContextSlices *)(void *)next;
    next += whole_lines(sizeof *context);
    context->steps = (RdctModelSteps *)(void *)next;
    next += tables * sizeof *context->steps;
    context->coders = (Coder *)(void *)next;
    next += threads * whole_lines(sizeof *context->coders);
    rdct_block_model_init(&context->start);
    for (size_t t = 0; t < tables; t++)
        rdct_model_steps_init(&context->steps[t], encoder->steps + 64 * t);
    for (size_t i = 0; i < threads; i++) {
        Coder *coder = &context->coders[i];
        for (int c = 0; c < layout->components; c++) {
            coder->row[c] = (RdctNeighbour *)(void *)next;
            next += (size_t)layout->blocks_wide[c] * sizeof(RdctNeighbour);
        }
        coder->symbols = next;
        next += symbol_bytes(layout);
        coder->plain = next;
        next += plain_bytes(layout);
    }
    encoder->context = context;
    return RDCT_OK;
}

/* 256 log2(range), rounded down, of a range of 2^15..2^16 - 1. */
static uint64_t log_of_range(uint32_t range) {
    uint64_t log = 15;
    for (int i = 0; i < 8; i++) { /* squaring doubles the logarithm */
        range = (uint32_t)((uint64_t)range * range >> 15);
        const int above = range >> 16 != 0;
        range >>= above;
        log = log << 1 | (uint64_t)above;
    }
    return log;
}

/* All bits of the slice so far, those still in the range included, in 1/256. */
static uint64_t bits_spent(const Coder *coder, const RdctContextWriter *writer) {
    const RdctSymbolEncoder *symbols = &writer->symbols;
    const int64_t bytes = (symbols->next - symbols->start) + (writer->plain.next - coder->plain);
    return (uint64_t)(8 * bytes + symbols->count + 16 + writer->plain.count) * 256 - log_of_range(symbols->range);
}

/* Where the bits of a block row's blocks are added up: a row of the map, NULL if nowhere. */
typedef struct Account {
    uint32_t *row;
    const RdctLayout *layout;
    int component;
} Account;

static Account open_account(const RdctEncoder *encoder, int component, int block_row) {
    const RdctLayout *layout = &encoder->layout;
    Account account = {NULL, layout, component};
    if (encoder->region_bits != NULL) {
        const int row = rdct_region_of(block_row, component == 0 ? 1 : layout->v_samp, layout->region_blocks, layout->map_rows);
        account.row = encoder->region_bits + (size_t)row * (size_t)layout->map_cols;
    }
    return account;
}

static void charge(const Account *account, int x, uint64_t bits) {
    const RdctLayout *layout = account->layout;
    account->row[rdct_region_of(x, account->component == 0 ? 1 : layout->h_samp, layout->region_blocks, layout->map_cols)] +=
        (uint32_t)bits;
}

/* One block row of a component: qcoef, nonzero and level of its blocks, and with a search what they were before quantisation. */
static inline void write_blocks(const RdctEncoder *encoder, Coder *coder, RdctContextWriter *writer, const RdctBlockRow *blocks,
                                const RdctBlockRow *whole, const Account *account, int c, int first, int above, RdctSymbolCounts *counts) {
    const RdctContextSlices *context = encoder->context;
    RdctNeighbour *row = coder->row[c];
    uint64_t spent = account->row != NULL ? bits_spent(coder, writer) : 0;
    RdctRowPlace place = {.row = row, .wide = encoder->layout.blocks_wide[c], .above = above};
    for (int x = 0; x < place.wide; x++) {
        const int b = first + x, level = blocks->level[c][b], coded_above = above && row[x].coded;
        const int16_t dc_above = coded_above ? row[x].dc : 0;
        place.x = x;
        if (level == RDCT_SKIP) {
            row[x].coded = 0;
            counts->skipped++;
        } else {
            const RdctNeighbour *same = c == 2 && coder->row[1][x].coded ? &coder->row[1][x] : NULL;
            const RdctModelSteps *steps = &context->steps[level * 3 + c];
            int16_t *qcoef = blocks->qcoef[c] + 64 * (ptrdiff_t)b;
            RdctBlockContext known;
            rdct_block_context(&place, steps, same, &known);
            if (whole != NULL)
                rdct_context_choose(writer->model, &known, c > 0, &encoder->search->tables[level * 3 + c],
                                    whole->qcoef[c] + 64 * (ptrdiff_t)b, qcoef, &blocks->nonzero[c][b]);
            rdct_context_write_block(writer, &known, &place, steps, c > 0, qcoef, blocks->nonzero[c][b]);
            counts->blocks++;
            counts->nonzero += rdct_popcount(blocks->nonzero[c][b]);
            if (account->row != NULL) {
                const uint64_t before = spent;
                spent = bits_spent(coder, writer);
                charge(account, x, spent - before);
            }
        }
        place.left_above_coded = coded_above;
        place.left_above_dc = dc_above;
    }
}

static void write_row(const RdctEncoder *encoder, Coder *coder, RdctContextWriter *writer, const RdctBlockRow *blocks,
                      const RdctBlockRow *whole, int mcu_row, int above, RdctSymbolCounts *counts) {
    const RdctLayout *layout = &encoder->layout;
    for (int c = 0; c < layout->components; c++) {
        const int high = c == 0 ? layout->v_samp : 1;
        for (int y = 0; y < high; y++) {
            const Account account = open_account(encoder, c, mcu_row * high + y);
            write_blocks(encoder, coder, writer, blocks, whole, &account, c, y * layout->blocks_wide[c], above || y > 0, counts);
        }
    }
}

static uint8_t *put_size(uint8_t *out, size_t value) {
    for (; value >= 128; value >>= 7)
        *out++ = (uint8_t)(value | 128);
    *out++ = (uint8_t)value;
    return out;
}

/* Behind the worker's finished slices: the size of the symbols, the symbols, the plain bits. */
static int keep(RdctEncoder *encoder, int slice, int worker, const Coder *coder, size_t symbols, size_t plain) {
    RdctEncodeWorker *own = &encoder->workers[worker];
    RdctScratch *scratch = &encoder->ctx->per_worker[worker];
    const size_t needed = own->used + SIZE_ROOM + symbols + plain;
    uint8_t *data = rdct_scratch_grow(scratch, own->used, needed <= scratch->size ? needed : needed + 2 * scratch->size);
    if (data == NULL)
        return RDCT_ERR_MEMORY;
    uint8_t *start = data + own->used, *next = put_size(start, symbols);
    memcpy(next, coder->symbols, symbols);
    memcpy(next + symbols, coder->plain, plain);
    encoder->sizes[slice] = (size_t)(next - start) + symbols + plain;
    encoder->crcs[slice] = encoder->ctx->dsp.crc32c(start, encoder->sizes[slice]);
    encoder->slices[slice].worker = worker;
    encoder->slices[slice].offset = own->used;
    own->used += encoder->sizes[slice];
    return RDCT_OK;
}

int rdct_context_code_slice(RdctEncoder *encoder, int slice, int worker, RdctError *err) {
    const RdctLayout *layout = &encoder->layout;
    const RdctContextSlices *context = encoder->context;
    Coder *coder = &context->coders[worker];
    const RdctBlockRow *blocks = &encoder->workers[worker].work.blocks;
    RdctSymbolCounts *counts = &encoder->workers[worker].counts;
    RdctContextWriter writer = {.model = &coder->model};
    int first, last;
    coder->model = context->start;
    rdct_symbol_encoder_init(&writer.symbols, coder->symbols);
    rdct_bitwriter_init(&writer.plain, coder->plain);
    rdct_slice_mcu_rows(layout, slice, &first, &last);
    for (int mcu_row = first; mcu_row < last; mcu_row++) {
        RDCT_TRY(rdct_encoder_prepare_row(encoder, mcu_row, worker, err));
        if (encoder->search != NULL && encoder->search->choose == NULL)
            write_row(encoder, coder, &writer, blocks, &encoder->search->whole[worker].blocks, mcu_row, mcu_row > first, counts);
        else
            write_row(encoder, coder, &writer, blocks, NULL, mcu_row, mcu_row > first, counts);
    }
    const size_t symbols = rdct_symbol_encoder_finish(&writer.symbols);
    const uint8_t *end = rdct_bitwriter_finish(&writer.plain, 0, 0);
    if (keep(encoder, slice, worker, coder, symbols, (size_t)(end - coder->plain)) != RDCT_OK)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "no memory to code slices");
    return RDCT_OK;
}
