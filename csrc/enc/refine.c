/* SPDX-License-Identifier: Apache-2.0
 * A region is refined if that takes fewer bits than coding it afresh, and if it, with what the region took in the base, takes at most
 * refine_limit thousandths of those.
 *
 * Bits are counted, not guessed: all that is coded is made into tokens three times, as in the base, afresh and refined wherever that is possible;
 * each of the three gets Huffman tables of its own from its counts, by the rules of the encoder's entropy option; then every block
 * of each of the three is charged to its region. DC prediction is the same whatever the neighbours are, since a refined block leaves
 * the coefficient it stands for, so nothing depends on an order. Sums over slices: the choice is one for any number of threads. */
#include "enc/refine.h"

#include "common/status.h"
#include "common/tables.h"
#include "enc/bands.h"
#include "enc/check.h"
#include "stream/huffman.h"
#include "stream/refine.h"

#include <string.h>

typedef enum Coding { LOW, FRESH, REFINED, CODINGS } Coding;

enum { TOKEN_KINDS = 1024, TABLE_SHIFT = 8, CANDIDATES = 5 };

typedef struct Trial {
    RdctEncoder *encoder;
    RdctSymbolCounts (*counts)[CODINGS]; /* [threads] */
    uint32_t (*cost)[CODINGS];           /* [regions] bits; NULL: only counted */
    uint8_t bits[CODINGS][TOKEN_KINDS];  /* of a token with its extra bits */
} Trial;

static size_t regions(const RdctEncoder *encoder) {
    return (size_t)encoder->layout.map_rows * (size_t)encoder->layout.map_cols;
}

static size_t trial_bytes(const RdctEncoder *encoder) {
    return (size_t)rdct_pool_threads(encoder->ctx->pool) * sizeof(RdctSymbolCounts[CODINGS]);
}

int rdct_refine_setup(RdctEncoder *encoder, RdctError *err) {
    RdctRefine *refine = &encoder->refine;
    const RdctBase *base = encoder->options->refine;
    const int limit = encoder->options->refine_limit;
    if (limit < 0 || limit > RDCT_MAX_REFINE_LIMIT)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "refine_limit", "refine_limit is %d, but must be 1..%d thousandths, or 0 for none", limit,
                         RDCT_MAX_REFINE_LIMIT);
    RDCT_TRY(rdct_base_check(&encoder->ctx->dsp, base, &encoder->layout, refine->hash, err));
    const size_t each = sizeof(uint32_t[CODINGS]) + 1;
    const size_t extra = (trial_bytes(encoder) + each - 1) / each;
    refine->memory = rdct_scratch_reserve(&encoder->ctx->shared[RDCT_SHARED_REFINE], regions(encoder) + extra, each);
    if (refine->memory == NULL)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "no memory to choose among %lld regions", (long long)regions(encoder));
    refine->modes = refine->memory + trial_bytes(encoder) + regions(encoder) * sizeof(uint32_t[CODINGS]);
    rdct_walk_init(&refine->walk, &encoder->layout, base->steps, base->levels);
    return RDCT_OK;
}

/* Refined wherever that is possible. */
static void set_modes_of_trial(RdctEncoder *encoder) {
    const uint8_t *map = encoder->plan->level_map, *base = encoder->options->refine->level_map;
    for (size_t i = 0; i < regions(encoder); i++)
        encoder->refine.modes[i] = map[i] == RDCT_SKIP ? RDCT_SKIP : rdct_mode(map[i], base[i] == RDCT_SKIP);
}

/* The block of a row in place; returns 0 if a difference is too large for the entropy coder, as from coefficients no picture has. */
static int refine_block(int16_t *qcoef, uint64_t *nonzero, const int16_t *base, uint64_t base_nonzero, const uint16_t *base_steps,
                        const uint16_t *steps, int16_t *refined_dc) {
    const uint64_t before = base_nonzero & ~UINT64_C(1), others = ~base_nonzero & ~UINT64_C(1);
    int16_t sorted[64] = {0};
    uint64_t mask = qcoef[0] != 0;
    int at = 1, fits = 1;
    *refined_dc = (int16_t)rdct_refine_predict(base[0], base_steps[0], steps[0]);
    fits &= qcoef[0] - *refined_dc >= -RDCT_MAX_DC_DIFFERENCE && qcoef[0] - *refined_dc <= RDCT_MAX_DC_DIFFERENCE;
    for (uint64_t left = before; left != 0; left &= left - 1, at++) {
        const int k = rdct_lowest_bit(left), n = rdct_zigzag[k];
        const int difference = qcoef[k] - rdct_refine_predict(base[k], base_steps[n], steps[n]);
        fits &= difference >= -RDCT_MAX_AC && difference <= RDCT_MAX_AC;
        sorted[at] = (int16_t)difference;
        mask |= (uint64_t)(difference != 0) << at;
    }
    for (uint64_t left = *nonzero & others; left != 0; left &= left - 1) { /* most are zero: straight to the place of each that is not */
        const int k = rdct_lowest_bit(left), place = at + rdct_popcount(others & ((UINT64_C(1) << k) - 1));
        sorted[place] = qcoef[k];
        mask |= UINT64_C(1) << place;
    }
    memcpy(qcoef + 1, sorted + 1, 63 * sizeof *qcoef);
    *nonzero = mask;
    return fits;
}

/* The regions whose mode the block may have: that of its centre, then those of the luma blocks it covers. */
static void candidates(const RdctLayout *layout, int c, int x, int y, size_t found[CANDIDATES]) {
    const int h = c == 0 ? 1 : layout->h_samp, v = c == 0 ? 1 : layout->v_samp, side = layout->region_blocks;
    const int places[CANDIDATES][2] = {{h / 2, v / 2}, {0, 0}, {h - 1, 0}, {0, v - 1}, {h - 1, v - 1}};
    for (int i = 0; i < CANDIDATES; i++) {
        const int col = (x * h + places[i][0]) / side, row = (y * v + places[i][1]) / side;
        found[i] = (size_t)(row < layout->map_rows ? row : layout->map_rows - 1) * (size_t)layout->map_cols +
                   (size_t)(col < layout->map_cols ? col : layout->map_cols - 1);
    }
}

/* A block that cannot be refined: none of these regions will be. They belong to the slice of this worker. */
static void rule_out(const RdctEncoder *encoder, int c, int x, int y) {
    size_t found[CANDIDATES];
    candidates(&encoder->layout, c, x, y, found);
    for (int i = 0; i < CANDIDATES; i++)
        encoder->refine.modes[found[i]] |= 1; /* fresh; SKIP stays */
}

void rdct_refine_row(const RdctEncoder *encoder, int mcu_row, int worker) {
    const RdctLayout *layout = &encoder->layout;
    const RdctRowWork *work = &encoder->workers[worker].work;
    const RdctBlockRow *blocks = &work->blocks, *from = &work->base;
    const RdctBase *base = encoder->options->refine;
    rdct_rows_levels(layout, encoder->refine.modes, mcu_row, &work->modes);
    rdct_rows_levels(layout, base->level_map, mcu_row, from);
    (void)rdct_take_values(&base->coefficients, layout, mcu_row, from, NULL); /* in range: rdct_base_check */
    for (int c = 0; c < layout->components; c++) {
        const int v = c == 0 ? layout->v_samp : 1, wide = layout->blocks_wide[c];
        for (int i = 0; i < v * wide; i++) {
            blocks->refined_dc[c][i] = RDCT_FRESH;
            if (!rdct_mode_refined(work->modes.level[c][i]))
                continue;
            const ptrdiff_t at = 64 * (ptrdiff_t)i;
            if (!refine_block(blocks->qcoef[c] + at, &blocks->nonzero[c][i], from->qcoef[c] + at, from->nonzero[c][i],
                              base->steps + 64 * (3 * from->level[c][i] + c), encoder->steps + 64 * (3 * blocks->level[c][i] + c),
                              &blocks->refined_dc[c][i]))
                rule_out(encoder, c, i % wide, mcu_row * v + i / wide);
        }
    }
}

/* The region that pays for a block: the one it has its mode from. */
static size_t payer(const RdctEncoder *encoder, int c, int x, int y, uint8_t mode) {
    size_t found[CANDIDATES];
    candidates(&encoder->layout, c, x, y, found);
    int i = 0;
    while (i < CANDIDATES - 1 && encoder->refine.modes[found[i]] != mode)
        i++;
    return found[i];
}

/* Every block of the row to its region; a block that only the base codes to none. */
static void charge(const Trial *trial, const RdctWalk *walk, const RdctBlockRow *blocks, const RdctBlockRow *modes, const RdctTokenRow *row,
                   Coding coding, int mcu_row) {
    const uint8_t *bits = trial->bits[coding];
    const RdctLayout *layout = walk->layout;
    size_t at = 0;
    for (int mcu_x = 0; mcu_x < layout->mcu_wide; mcu_x++) {
        for (int i = 0; i < walk->blocks; i++) {
            const int c = walk->block[i].component, block = rdct_walk_block(walk, i, mcu_x), wide = layout->blocks_wide[c];
            if (blocks->level[c][block] == RDCT_SKIP)
                continue;
            uint32_t sum = bits[row->tokens[at++] & (TOKEN_KINDS - 1)]; /* DC; what follows up to the next DC is AC */
            for (; at < row->size && (row->tokens[at] >> TABLE_SHIFT & 1); at++)
                sum += bits[row->tokens[at] & (TOKEN_KINDS - 1)];
            const uint8_t mode = modes->level[c][block];
            if (mode == RDCT_SKIP)
                continue;
            const int y = mcu_row * (c == 0 ? layout->v_samp : 1) + block / wide;
            trial->cost[payer(trial->encoder, c, block % wide, y, mode)][coding] += sum;
        }
    }
}

static void try_coding(const Trial *trial, const RdctWalk *walk, const RdctBlockRow *blocks, Coding coding, RdctPredictor *predictor,
                       int mcu_row, int worker) {
    const RdctRowWork *work = &trial->encoder->workers[worker].work;
    RdctTokenRow row;
    RdctBadBlock bad;
    rdct_tokens_make(walk, blocks, work->tokens, &row);
    (void)rdct_tokens_join(walk, &row, predictor, &bad); /* if it comes to be coded like that, coding will complain */
    if (trial->cost == NULL)
        rdct_tokens_count(&row, &trial->counts[worker][coding]);
    else
        charge(trial, walk, blocks, &work->modes, &row, coding, mcu_row);
}

static int try_slice(const Trial *trial, int slice, int worker, RdctError *err) {
    const RdctEncoder *encoder = trial->encoder;
    const RdctRowWork *work = &encoder->workers[worker].work;
    RdctPredictor predictor[CODINGS];
    int first, last;
    memset(predictor, 0, sizeof predictor);
    rdct_slice_mcu_rows(&encoder->layout, slice, &first, &last);
    for (int y = first; y < last; y++) {
        RdctBlockRow fresh = work->blocks;
        memset(fresh.refined_dc, 0, sizeof fresh.refined_dc);
        RDCT_TRY(rdct_encoder_load_row(encoder, y, worker, err));
        rdct_rows_levels(&encoder->layout, encoder->refine.modes, y, &work->modes); /* all three are charged by them */
        try_coding(trial, &encoder->walk, &fresh, FRESH, &predictor[FRESH], y, worker);
        rdct_refine_row(encoder, y, worker);
        try_coding(trial, &encoder->walk, &work->blocks, REFINED, &predictor[REFINED], y, worker);
        try_coding(trial, &encoder->refine.walk, &work->base, LOW, &predictor[LOW], y, worker);
    }
    return RDCT_OK;
}

static void try_job(void *arg, int slice, int worker) {
    const Trial *trial = arg;
    trial->encoder->slices[slice].status = try_slice(trial, slice, worker, NULL);
}

static int try_slices(Trial *trial, RdctError *err) {
    const RdctEncoder *encoder = trial->encoder;
    rdct_pool_run(encoder->ctx->pool, encoder->layout.slices, try_job, trial);
    for (int slice = 0; slice < encoder->layout.slices; slice++)
        if (encoder->slices[slice].status != RDCT_OK)
            return try_slice(trial, slice, 0, err); /* once more, for its message */
    return RDCT_OK;
}

/* What tokens cost under the tables that suit the counts of this coding. */
static int price(Trial *trial, Coding coding, RdctError *err) {
    const RdctEncoder *encoder = trial->encoder;
    const int tables = encoder->layout.components == 1 ? 2 : 4;
    RdctHuffmanLengths optimal;
    const RdctHuffmanLengths *huffman = &optimal;
    RdctSymbolCounts sum = {0};
    for (int worker = 0; worker < rdct_pool_threads(encoder->ctx->pool); worker++)
        for (int t = 0; t < 4; t++)
            for (int symbol = 0; symbol < 256; symbol++)
                sum.table[t][symbol] += trial->counts[worker][coding].table[t][symbol];
    if (encoder->options->entropy == RDCT_HUFFMAN_FIXED)
        (void)rdct_choose_band(encoder->plan->set, &sum, tables, RDCT_BAND_FREE, encoder->layout.mcu_high, &huffman);
    else
        for (int t = 0; t < 4; t++)
            RDCT_TRY(rdct_huffman_lengths(sum.table[t], optimal.lengths[t], err));
    for (int kind = 0; kind < TOKEN_KINDS; kind++)
        trial->bits[coding][kind] = (uint8_t)(huffman->lengths[kind >> TABLE_SHIFT][kind & 255] + (kind & 15));
    return RDCT_OK;
}

static int pays(const uint32_t *cost, int limit) {
    const uint64_t both = (uint64_t)cost[LOW] + cost[REFINED];
    return cost[REFINED] < cost[FRESH] && (limit == 0 || 1000 * both <= (uint64_t)limit * cost[FRESH]);
}

int rdct_refine_choose(RdctEncoder *encoder, RdctError *err) {
    RdctRefine *refine = &encoder->refine;
    Trial trial;
    memset(&trial, 0, sizeof trial);
    trial.encoder = encoder;
    trial.counts = (RdctSymbolCounts(*)[CODINGS])(void *)refine->memory;
    memset(trial.counts, 0, trial_bytes(encoder));
    set_modes_of_trial(encoder);
    RDCT_TRY(try_slices(&trial, err));
    for (int coding = 0; coding < CODINGS; coding++)
        RDCT_TRY(price(&trial, coding, err));
    trial.cost = (uint32_t (*)[CODINGS])(void *)(refine->memory + trial_bytes(encoder));
    memset(trial.cost, 0, regions(encoder) * sizeof *trial.cost);
    RDCT_TRY(try_slices(&trial, err));
    for (size_t i = 0; i < regions(encoder); i++) {
        uint8_t *mode = &refine->modes[i];
        if (*mode == RDCT_SKIP)
            continue;
        if (!pays(trial.cost[i], encoder->options->refine_limit))
            *mode |= 1;
        refine->regions[rdct_mode_refined(*mode)]++;
    }
    return RDCT_OK;
}
