/* SPDX-License-Identifier: Apache-2.0
 * Memory of an encoding, and the first half of its work: rows into qcoefs and tokens. */
#include "common/status.h"
#include "common/tables.h"
#include "enc/bands.h"
#include "enc/check.h"
#include "enc/encoder.h"
#include "enc/refine.h"

#include <string.h>

/* Uses of RdctContext.shared; refine.h has one more. */
enum { SHARED_STEPS, SHARED_QUANTIZERS, SHARED_WORKERS, SHARED_WORK, SHARED_ROWS, SHARED_TOKENS, SHARED_SLICES, SHARED_SEARCH };

static int no_memory(RdctError *err) {
    return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "no memory to encode");
}

static int refines(const RdctEncoder *encoder) {
    return encoder->options != NULL && encoder->options->refine != NULL;
}

static int setup_tables(RdctEncoder *encoder, RdctError *err) {
    const RdctTableSet *set = encoder->plan->set;
    const size_t tables = 3 * (size_t)set->levels;
    encoder->steps = rdct_scratch_reserve(&encoder->ctx->shared[SHARED_STEPS], tables, 64 * sizeof(uint16_t));
    encoder->quantizers = rdct_scratch_reserve(&encoder->ctx->shared[SHARED_QUANTIZERS], tables, sizeof(RdctQuantizer));
    if (encoder->steps == NULL || encoder->quantizers == NULL)
        return no_memory(err);
    rdct_scale_steps(set->tables, (int)tables * 64, encoder->plan->scale, encoder->steps);
    if (encoder->image != NULL)
        for (size_t t = 0; t < tables; t++)
            rdct_quantizer_init(&encoder->quantizers[t], encoder->steps + 64 * t);
    return RDCT_OK;
}

static int setup_workers(RdctEncoder *encoder, RdctError *err) {
    const int refine = refines(encoder);
    const size_t threads = (size_t)rdct_pool_threads(encoder->ctx->pool), each = rdct_row_work_bytes(&encoder->layout, refine);
    encoder->workers = rdct_scratch_reserve(&encoder->ctx->shared[SHARED_WORKERS], threads, sizeof(RdctEncodeWorker));
    uint8_t *memory = rdct_scratch_reserve(&encoder->ctx->shared[SHARED_WORK], threads, each);
    if (encoder->workers == NULL || memory == NULL)
        return no_memory(err);
    memset(encoder->workers, 0, threads * sizeof(RdctEncodeWorker));
    for (size_t i = 0; i < threads; i++)
        rdct_row_work_init(&encoder->workers[i].work, &encoder->layout, refine, memory + i * each);
    return RDCT_OK;
}

/* Places for tokens at their worst; what a row does not need is never touched. */
static int setup_rows(RdctEncoder *encoder, RdctKept kept, RdctError *err) {
    const int rows = encoder->layout.mcu_high;
    const int places = kept == RDCT_KEEP_ALL ? rows : kept == RDCT_KEEP_SAMPLE ? rdct_sample_rows(rows) : 0;
    encoder->kept = kept;
    encoder->rows = rdct_scratch_reserve(&encoder->ctx->shared[SHARED_ROWS], (size_t)rows, sizeof *encoder->rows);
    encoder->kept_tokens = rdct_scratch_reserve(&encoder->ctx->shared[SHARED_TOKENS], (size_t)places,
                                                rdct_row_tokens_bound(&encoder->layout) * sizeof *encoder->kept_tokens);
    if (encoder->rows == NULL || encoder->kept_tokens == NULL)
        return no_memory(err);
    memset(encoder->rows, 0, (size_t)rows * sizeof *encoder->rows);
    return RDCT_OK;
}

static int setup_slices(RdctEncoder *encoder, RdctError *err) {
    const size_t slices = (size_t)encoder->layout.slices;
    const size_t each = sizeof(RdctEncodedSlice) + sizeof(size_t) + sizeof(uint32_t);
    uint8_t *memory = rdct_scratch_reserve(&encoder->ctx->shared[SHARED_SLICES], slices, each);
    if (memory == NULL)
        return no_memory(err);
    memset(memory, 0, slices * each);
    encoder->slices = (RdctEncodedSlice *)(void *)memory; /* descending alignment */
    encoder->sizes = (size_t *)(void *)(encoder->slices + slices);
    encoder->crcs = (uint32_t *)(void *)(encoder->sizes + slices);
    return RDCT_OK;
}

int rdct_encoder_setup(RdctEncoder *encoder, RdctKept kept, RdctError *err) {
    RDCT_TRY(setup_tables(encoder, err));
    RDCT_TRY(setup_workers(encoder, err));
    RDCT_TRY(setup_rows(encoder, kept, err));
    RDCT_TRY(setup_slices(encoder, err));
    rdct_walk_init(&encoder->walk, &encoder->layout, encoder->steps, encoder->plan->set->levels);
    return RDCT_OK;
}

static size_t whole_lines(size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

/* By experiment (docs/experiments/coding.md): a network minds the few large errors of a search more than many small ones. */
enum { PRICE_OF_EFFORT = 160 };

static int setup_search(RdctEncoder *encoder, RdctRdoBlockFn *choose, RdctError *err) {
    const size_t tables = 3 * (size_t)encoder->plan->set->levels, threads = (size_t)rdct_pool_threads(encoder->ctx->pool);
    const size_t each = rdct_row_work_bytes(&encoder->layout, 0);
    const size_t front =
        whole_lines(sizeof(RdctSearch) + threads * sizeof(RdctRowWork) + tables * sizeof(RdctRdoTable) + 192 * sizeof(uint16_t));
    uint8_t *memory = rdct_scratch_reserve(&encoder->ctx->shared[SHARED_SEARCH], 1, front + threads * each);
    if (memory == NULL)
        return no_memory(err);
    RdctSearch *search = (RdctSearch *)(void *)memory; /* descending alignment */
    search->whole = (RdctRowWork *)(void *)(search + 1);
    search->tables = (RdctRdoTable *)(void *)(search->whole + threads);
    for (size_t i = 0; i < threads; i++)
        rdct_row_work_init(&search->whole[i], &encoder->layout, 0, memory + front + i * each);
    rdct_search_init(search, choose);
    encoder->search = search;
    return RDCT_OK;
}

static int setup_stock(RdctEncoder *encoder, RdctError *err) {
    RDCT_TRY(setup_search(encoder, rdct_rdo_block, err));
    encoder->base = (uint16_t *)(void *)(encoder->search->tables + 3 * encoder->plan->set->levels); /* behind them */
    rdct_stock_base(encoder->base, encoder->plan, encoder->steps);
    for (int t = 0; t < 3 * encoder->plan->set->levels; t++) {
        const uint16_t *base = encoder->base + 64 * (t % 3);
        rdct_rdo_table_init(&encoder->search->tables[t], base, encoder->steps + 64 * t, RDCT_RDO_PRICE_ONE);
        rdct_quantizer_init(&encoder->quantizers[t], base);
    }
    rdct_walk_init(&encoder->walk, &encoder->layout, encoder->base, 1); /* every block is of level 0 now */
    return RDCT_OK;
}

int rdct_encoder_setup_effort(RdctEncoder *encoder, int effort, int stock, RdctError *err) {
    const int tables = 3 * encoder->plan->set->levels;
    if (stock)
        return setup_stock(encoder, err);
    if (effort == 1) {
        for (int t = 0; t < tables; t++)
            rdct_quantizer_init_dead(&encoder->quantizers[t], encoder->steps + 64 * t);
    } else if (effort > 1) {
        const int best = effort == RDCT_MAX_EFFORT, by_context = best && encoder->options->entropy == RDCT_CONTEXT;
        RDCT_TRY(setup_search(encoder, by_context ? NULL : best ? rdct_rdo_block : rdct_rdo_block_once, err));
        for (int t = 0; t < tables; t++)
            rdct_rdo_table_init(&encoder->search->tables[t], encoder->steps + 64 * t, encoder->steps + 64 * t, PRICE_OF_EFFORT);
    }
    return RDCT_OK;
}

int rdct_encoder_load_row(const RdctEncoder *encoder, int mcu_row, int worker, RdctError *err) {
    const RdctLayout *layout = &encoder->layout;
    const RdctDsp *dsp = &encoder->ctx->dsp;
    const RdctRowWork *work = &encoder->workers[worker].work;
    rdct_rows_levels(layout, encoder->plan->level_map, mcu_row, &work->blocks);
    if (encoder->image == NULL)
        return rdct_take_values(encoder->given, layout, mcu_row, &work->blocks, err);
    rdct_rows_load(dsp, layout, encoder->image, mcu_row, &work->strip);
    rdct_rows_quantize(dsp, layout, encoder->quantizers, work);
    if (encoder->search != NULL)
        rdct_search_row(encoder->search, dsp, layout, work, worker);
    if (encoder->base != NULL)
        for (int c = 0; c < layout->components; c++)
            memset(work->blocks.level[c], 0, rdct_row_blocks(layout, c));
    return RDCT_OK;
}

int rdct_encoder_prepare_row(const RdctEncoder *encoder, int mcu_row, int worker, RdctError *err) {
    RDCT_TRY(rdct_encoder_load_row(encoder, mcu_row, worker, err));
    if (refines(encoder))
        rdct_refine_row(encoder, mcu_row, worker);
    return RDCT_OK;
}

/* Where the tokens of a row are kept, or NULL. */
static RdctToken *kept_place(const RdctEncoder *encoder, int mcu_row) {
    const size_t bound = rdct_row_tokens_bound(&encoder->layout);
    if (encoder->kept == RDCT_KEEP_ALL)
        return encoder->kept_tokens + bound * (size_t)mcu_row;
    if (encoder->kept == RDCT_KEEP_SAMPLE && rdct_is_sample_row(encoder->layout.mcu_high, mcu_row))
        return encoder->kept_tokens + bound * (size_t)rdct_sample_index(encoder->layout.mcu_high, mcu_row);
    return NULL;
}

int rdct_encoder_token_row(RdctEncoder *encoder, int mcu_row, int worker, RdctTokenRow **row, RdctError *err) {
    RdctEncodeWorker *own = &encoder->workers[worker];
    RdctToken *kept = kept_place(encoder, mcu_row);
    *row = kept != NULL ? &encoder->rows[mcu_row] : &own->row;
    if (kept != NULL && (*row)->tokens != NULL)
        return RDCT_OK;
    RDCT_TRY(rdct_encoder_prepare_row(encoder, mcu_row, worker, err));
    rdct_tokens_make(&encoder->walk, &own->work.blocks, kept != NULL ? kept : own->work.tokens, *row);
    return RDCT_OK;
}
