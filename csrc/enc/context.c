/* SPDX-License-Identifier: Apache-2.0 */
#include "enc/context.h"

#include <string.h>

static void put(RdctBitWriter *plain, uint32_t value, int bits) { /* at most 32 */
    rdct_put_bits(plain, value, bits);
    rdct_bitwriter_flush(plain, 0);
}

static int magnitude_of(int value) {
    return value < 0 ? -value : value;
}

/* value >= 0 as bits - 1 zeros and the `bits` bits of value + 1. */
static void put_rest(RdctBitWriter *plain, int value) {
    const int bits = rdct_bit_width((uint32_t)value + 1);
    put(plain, (uint32_t)value + 1, 2 * bits - 1);
}

static void write_dc(RdctContextWriter *writer, const RdctBlockContext *context, int chroma, int dc) {
    const int difference = dc - context->dc, size = magnitude_of(difference), category = size == 0 ? 0 : rdct_bit_width((uint32_t)size);
    RdctDistribution *distribution = &writer->model->dc[chroma][context->gradient];
    rdct_symbol_encode(&writer->symbols, distribution, distribution, category);
    if (category > 0) /* as T.81 F.1.2.1: the low bits of a negative difference less one */
        put(&writer->plain, (uint32_t)(difference + (difference >> 31)) & ((1u << category) - 1), category);
}

static int write_end(RdctContextWriter *writer, const RdctBlockContext *context, int chroma, uint64_t nonzero) {
    const uint64_t ac = nonzero & ~UINT64_C(1);
    const int end = ac == 0 ? 0 : 63 - __builtin_clzll(ac), class = rdct_end_class[end];
    rdct_symbol_encode(&writer->symbols, &writer->model->end_by_ends[chroma][context->ends],
                       &writer->model->end_by_busy[chroma][context->busy][context->gradient], class);
    if (rdct_end_bits[class] > 0)
        put(&writer->plain, (uint32_t)(end - rdct_end_first[class]), rdct_end_bits[class]);
    return end;
}

/* least: 1 at the last place, which is not zero, else 0. */
static void write_magnitude(RdctContextWriter *writer, RdctDistribution *a, RdctDistribution *b, int magnitude, int least) {
    const int over = magnitude - least, symbol = over < RDCT_ESCAPE ? over : RDCT_ESCAPE;
    rdct_symbol_encode(&writer->symbols, a, b, symbol);
    if (symbol == RDCT_ESCAPE)
        put_rest(&writer->plain, over - RDCT_ESCAPE);
}

void rdct_context_write_block(RdctContextWriter *writer, const RdctBlockContext *context, const RdctRowPlace *place,
                              const RdctModelSteps *steps, int chroma, const int16_t *qcoef, uint64_t nonzero) {
    RdctBlockModel *model = writer->model;
    RdctNeighbour *own = &place->row[place->x];
    write_dc(writer, context, chroma, qcoef[0]);
    const int end = write_end(writer, context, chroma, nonzero);
    rdct_neighbour_begin(own, steps, qcoef[0], end);
    uint64_t signs = 0;
    int count = 0;
    for (int k = end; k > 0; k--) {
        const int magnitude = magnitude_of(qcoef[k]);
        RdctDistribution *a, *b;
        rdct_model_distributions(model, context, own->small, chroma, k, k == end, &a, &b);
        write_magnitude(writer, a, b, magnitude, k == end);
        if (magnitude != 0) {
            rdct_neighbour_set(own, steps, k, magnitude);
            signs = signs << 1 | (uint64_t)(qcoef[k] < 0);
            count++;
        }
    }
    if (count > 32) {
        put(&writer->plain, (uint32_t)(signs >> 32), count - 32);
        count = 32;
    }
    put(&writer->plain, (uint32_t)signs & (uint32_t)((UINT64_C(1) << count) - 1), count);
}
