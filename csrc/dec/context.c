/* SPDX-License-Identifier: Apache-2.0 */
#include "dec/context.h"

#include "common/tables.h"

enum { MAX_AC = 1023, MAX_REST_BITS = 10 };

static uint32_t take(RdctBitReader *plain, int bits) { /* 1..32 */
    rdct_bitreader_need32(plain);
    const uint32_t value = rdct_peek_bits(plain, bits);
    rdct_skip_bits(plain, bits);
    return value;
}

/* What stands behind an escape; -1 if no magnitude is that large. */
static int take_rest(RdctBitReader *plain) {
    rdct_bitreader_need32(plain);
    const uint32_t ahead = rdct_peek_bits(plain, MAX_REST_BITS);
    if (ahead == 0)
        return -1;
    const int bits = MAX_REST_BITS + 1 - rdct_bit_width(ahead);
    rdct_skip_bits(plain, bits - 1);
    return (int)take(plain, bits) - 1;
}

static RdctBlockFault read_dc(RdctContextReader *reader, const RdctBlockContext *context, int chroma, int *dc) {
    RdctDistribution *distribution = &reader->model->dc[chroma][context->gradient];
    const int category = rdct_symbol_decode(&reader->symbols, distribution, distribution);
    if (category > RDCT_MAX_DC_CATEGORY)
        return RDCT_BLOCK_SIZE;
    *dc = context->dc;
    if (category > 0) {
        rdct_bitreader_need32(&reader->plain);
        *dc += rdct_extend_bits(reader->plain.buffer, category);
        rdct_skip_bits(&reader->plain, category);
    }
    return *dc < -2048 || *dc > 2047 ? RDCT_BLOCK_DC_RANGE : RDCT_BLOCK_OK;
}

/* Position of the last nonzero AC, 0 = none; -1 if there is no such class. */
static int read_end(RdctContextReader *reader, const RdctBlockContext *context, int chroma) {
    const int class = rdct_symbol_decode(&reader->symbols, &reader->model->end_by_ends[chroma][context->ends],
                                         &reader->model->end_by_busy[chroma][context->busy][context->gradient]);
    if (class >= RDCT_END_CLASSES)
        return -1;
    const int end = rdct_end_first[class] + (rdct_end_bits[class] > 0 ? (int)take(&reader->plain, rdct_end_bits[class]) : 0);
    return end < 64 ? end : -1;
}

RdctBlockFault rdct_context_read_block(RdctContextReader *reader, const RdctRowPlace *place, const RdctModelSteps *steps,
                                       const RdctNeighbour *same, int chroma, int16_t *qcoef, uint64_t *nonzero) {
    RdctNeighbour *own = &place->row[place->x];
    RdctBlockContext context;
    RdctBlockFault fault;
    int dc;
    rdct_block_context(place, steps, same, &context);
    if ((fault = read_dc(reader, &context, chroma, &dc)) != RDCT_BLOCK_OK)
        return fault;
    const int end = read_end(reader, &context, chroma);
    if (end < 0)
        return RDCT_BLOCK_RUN;
    rdct_neighbour_begin(own, steps, dc, end);
    uint64_t mask = 0;
    for (int k = end; k > 0; k--) {
        RdctDistribution *a, *b;
        rdct_model_distributions(reader->model, &context, own->small, chroma, k, k == end, &a, &b);
        int magnitude = rdct_symbol_decode(&reader->symbols, a, b);
        if (magnitude == RDCT_ESCAPE) {
            const int rest = take_rest(&reader->plain);
            magnitude += rest;
            if (rest < 0 || magnitude + (k == end) > MAX_AC)
                return RDCT_BLOCK_SIZE;
        }
        magnitude += k == end;
        if (magnitude != 0) {
            rdct_neighbour_set(own, steps, k, magnitude);
            qcoef[rdct_zigzag[k]] = (int16_t)magnitude;
            mask |= UINT64_C(1) << k;
        }
    }
    uint32_t signs = 0;
    int ready = 0, left = rdct_popcount(mask);
    for (uint64_t places = mask; places != 0;) {
        const int k = 63 - __builtin_clzll(places);
        if (ready == 0) { /* the first of more than 32 come in the shorter group */
            ready = left > 32 ? left - 32 : left;
            signs = take(&reader->plain, ready) << (32 - ready);
        }
        const int negative = -(int)(signs >> 31);
        int16_t *value = &qcoef[rdct_zigzag[k]];
        *value = (int16_t)((*value ^ negative) - negative);
        signs <<= 1;
        ready--;
        left--;
        places &= ~(UINT64_C(1) << k);
    }
    qcoef[0] = (int16_t)dc;
    *nonzero = mask | (uint64_t)(dc != 0);
    return RDCT_BLOCK_OK;
}
