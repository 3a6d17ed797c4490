/* SPDX-License-Identifier: Apache-2.0
 * A block's AC is a chain of nonzero coefficients; what one costs depends on the zeros before it and on its size. So the cheapest chain
 * up to a coefficient follows from those up to the coefficients before it (dynamic programming over zigzag order, as trellis
 * quantisers do). Within a size all values cost the same bits, so that at most one value of each size needs a look: the rounded one, and
 * the greatest of every smaller size.
 *
 * Costs are differences to a block of zeros. A coefficient that is sure to stay begins a new account at 0, which keeps sums small and
 * ends the search for whatever comes before it. */
#include "enc/rdo.h"

#include "common/intops.h"
#include "common/tables.h"

#include <stdlib.h>

enum { BIT = RDCT_RDO_BIT, MAX_SIZE = 10, END_OF_BLOCK = 0x00, SIXTEEN_ZEROS = 0xF0 };

/* Rounding to steps T has the error T^2 / 12, and a bit divides it by 4: one bit buys (ln 2 / 6) T^2, lambda. So T^2 is worth
 * 6 / ln 2 = 8.66 bits. */
enum { BITS_OF_SQUARED_STEP = (866 * BIT + 50) / 100 };

/* A value of a smaller size saves at most the longest code and its extra bits. */
enum { MOST_SAVED = 26 * BIT };

void rdct_rdo_table_init(RdctRdoTable *table, const uint16_t *steps, const uint16_t *wanted, int price) {
    const uint64_t worth = (uint64_t)BITS_OF_SQUARED_STEP * RDCT_RDO_PRICE_ONE / (uint64_t)price;
    for (int k = 0; k < 64; k++) {
        const uint32_t step = 8u * wanted[rdct_zigzag[k]]; /* x 8, as errors are */
        const uint64_t squared = (uint64_t)step * step;
        table->step[k] = (uint16_t)(8 * steps[rdct_zigzag[k]]);
        table->weight[k] = (uint32_t)(((worth << RDCT_RDO_WEIGHT_SHIFT) + squared / 2) / squared);
    }
}

void rdct_rdo_rates_init(RdctRdoRates *rates, const uint8_t *lengths) {
    for (int size = 0; size <= MAX_SIZE; size++)
        for (int run = 0; run < 64; run++)
            rates->ac[size][run] = (uint16_t)(BIT * (lengths[run % 16 * 16 + size] + size + run / 16 * lengths[SIXTEEN_ZEROS]));
    rates->ac[0][0] = (uint16_t)(BIT * lengths[END_OF_BLOCK]);
}

/* The chains under construction. Entry 0 is the DC, which is always there. */
typedef struct Chains {
    int32_t cost[64];
    int16_t value[64];
    uint8_t position[64], before[64]; /* zigzag position; the entry before it in its cheapest chain */
    int first, size;                  /* entries from `first` on may be followed */
} Chains;

/* The cheapest predecessor of a coefficient of this size. */
static inline int32_t cheapest(const Chains *chains, const uint16_t *rates, int position, int *before) {
    int32_t least = INT32_MAX;
    for (int i = chains->size - 1; i >= chains->first; i--) {
        const int32_t cost = chains->cost[i] + rates[position - chains->position[i] - 1];
        *before = cost < least ? i : *before;
        least = cost < least ? cost : least;
    }
    return least;
}

static void append(Chains *chains, const RdctRdoTable *table, const RdctRdoRates *rates, int k, int magnitude, int q) {
    const int64_t rounded = rdct_rdo_distortion(table, k, magnitude - q * table->step[k]);
    const int64_t gain = rdct_rdo_distortion(table, k, magnitude) - rounded;
    const int n = chains->size;
    int32_t least = INT32_MAX;
    if (gain < RDCT_RDO_LEAST_GAIN)
        return;
    for (int size = rdct_bit_width((uint32_t)q), value = q; size > 0; size--, value = (1 << size) - 1) {
        const int64_t more = rdct_rdo_distortion(table, k, magnitude - value * table->step[k]) - rounded;
        if (more > MOST_SAVED)
            break;
        int before = 0;
        const int32_t cost = (int32_t)more + cheapest(chains, rates->ac[size], k, &before);
        if (cost < least) {
            least = cost;
            chains->before[n] = (uint8_t)before;
            chains->value[n] = (int16_t)value;
        }
    }
    const int sure = gain > RDCT_RDO_SURE_GAIN;
    chains->position[n] = (uint8_t)k;
    chains->cost[n] = sure ? 0 : least - (int32_t)gain;
    chains->first = sure ? n : chains->first;
    chains->size++;
}

static int best_end(const Chains *chains, const RdctRdoRates *rates) {
    int best = chains->first;
    int32_t least = INT32_MAX;
    for (int i = chains->first; i < chains->size; i++) {
        const int32_t cost = chains->cost[i] + (chains->position[i] < 63 ? rates->ac[0][0] : 0);
        best = cost < least ? i : best;
        least = cost < least ? cost : least;
    }
    return best;
}

void rdct_rdo_block(const RdctRdoTable *table, const RdctRdoRates *rates, const int16_t *coefficients, int16_t *qcoef, uint64_t *nonzero) {
    Chains chains;
    uint64_t kept = *nonzero & 1;
    chains.cost[0] = chains.position[0] = 0;
    chains.first = 0;
    chains.size = 1;
    for (uint64_t left = *nonzero & ~UINT64_C(1); left != 0; left &= left - 1) {
        const int k = rdct_lowest_bit(left);
        append(&chains, table, rates, k, abs(coefficients[k]), abs(qcoef[k]));
    }
    for (int i = best_end(&chains, rates); i > 0; i = chains.before[i]) {
        const int k = chains.position[i];
        qcoef[k] = (int16_t)(qcoef[k] < 0 ? -chains.value[i] : chains.value[i]);
        kept |= UINT64_C(1) << k;
    }
    for (uint64_t dropped = *nonzero & ~kept; dropped != 0; dropped &= dropped - 1)
        qcoef[rdct_lowest_bit(dropped)] = 0;
    *nonzero = kept;
}

/* The bits of a block that change with the coefficient at k: its own and those of what follows it, if it has `size` (0: if it is dropped).
 * before: the place of the one before it. next, next_size: of the one after it; 0, 0 = none. */
static inline int32_t bits_around(const RdctRdoRates *rates, int before, int k, int size, int next, int next_size) {
    if (size == 0)
        return next > 0 ? rates->ac[next_size][next - before - 1] : rates->ac[0][0];
    return rates->ac[size][k - before - 1] + (next > 0 ? rates->ac[next_size][next - k - 1] : k < 63 ? rates->ac[0][0] : 0);
}

void rdct_rdo_block_once(const RdctRdoTable *table, const RdctRdoRates *rates, const int16_t *coefficients, int16_t *qcoef,
                         uint64_t *nonzero) {
    uint64_t left = *nonzero & ~UINT64_C(1);
    int next = 0, next_size = 0;
    while (left != 0) {
        const int k = 63 - __builtin_clzll(left);
        left ^= UINT64_C(1) << k;
        const int before = left == 0 ? 0 : 63 - __builtin_clzll(left), rounded = abs(qcoef[k]), magnitude = abs(coefficients[k]);
        int64_t least = rdct_rdo_distortion(table, k, magnitude) + bits_around(rates, before, k, 0, next, next_size);
        int best = 0;
        for (int size = rdct_bit_width((uint32_t)rounded), value = rounded; size > 0; size--, value = (1 << size) - 1) {
            const int64_t cost =
                rdct_rdo_distortion(table, k, magnitude - value * table->step[k]) + bits_around(rates, before, k, size, next, next_size);
            if (cost < least) {
                least = cost;
                best = value;
            }
        }
        qcoef[k] = (int16_t)(qcoef[k] < 0 ? -best : best);
        if (best == 0) {
            *nonzero &= ~(UINT64_C(1) << k);
        } else {
            next = k;
            next_size = rdct_bit_width((uint32_t)best);
        }
    }
}
