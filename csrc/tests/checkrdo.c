/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/checkrdo.h"

#include "common/tables.h"
#include "enc/rdo.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_NONZERO = 5, MAX_VALUE = 5 };

typedef struct Case {
    RdctRdoTable table;
    RdctRdoRates rates;
    int16_t coefficients[64], rounded[64];
    uint64_t nonzero;
    int positions[MAX_NONZERO], count;
} Case;

static unsigned draw(unsigned *state, unsigned below) {
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

/* Few coefficients, some far apart; the quality wanted from half to five times as coarse as the steps. */
static void make_case(unsigned *state, Case *c) {
    uint16_t steps[64], wanted[64];
    memset(c, 0, sizeof *c);
    for (int i = 0; i < 64; i++) {
        steps[i] = (uint16_t)(1 + draw(state, 40));
        wanted[i] = (uint16_t)(1 + steps[i] * (5 + draw(state, 45)) / 10);
    }
    rdct_rdo_table_init(&c->table, steps, wanted, 64 + (int)draw(state, 512));
    rdct_rdo_rates_init(&c->rates, rdct_annex_k.lengths[draw(state, 2) ? 1 : 3]);
    const unsigned reach = draw(state, 2) ? 63 : 12;
    for (int i = 0; i < 1 + (int)draw(state, MAX_NONZERO); i++)
        c->nonzero |= UINT64_C(1) << (1 + draw(state, reach));
    for (int k = 1; k < 64; k++) {
        if ((c->nonzero >> k & 1) == 0)
            continue;
        const int step = c->table.step[k], q = 1 + (int)draw(state, MAX_VALUE);
        const int magnitude = q * step + (int)draw(state, (unsigned)step) - step / 2, sign = draw(state, 2) ? -1 : 1;
        c->positions[c->count++] = k;
        c->rounded[k] = (int16_t)(sign * q);
        c->coefficients[k] = (int16_t)(sign * magnitude);
    }
}

static int64_t distortion(const Case *c, int k, int q) {
    const int64_t error = c->coefficients[k] - q * c->table.step[k];
    return (int64_t)((uint64_t)(error * error) * c->table.weight[k] >> 24);
}

static int bit_width(int value) {
    int size = 0;
    for (; value > 0; value >>= 1)
        size++;
    return size;
}

/* What a block costs, counted as its symbols are written. */
static int64_t cost_of(const Case *c, const int16_t *qcoef) {
    int64_t cost = 0;
    int before = 0;
    for (int i = 0; i < c->count; i++) {
        const int k = c->positions[i];
        cost += distortion(c, k, qcoef[k]);
        if (qcoef[k] != 0) {
            cost += c->rates.ac[bit_width(abs(qcoef[k]))][k - before - 1];
            before = k;
        }
    }
    return cost + (before < 63 ? c->rates.ac[0][0] : 0);
}

/* The rules by which the search leaves out or keeps a coefficient without weighing it. */
static int allowed(const Case *c, int k, int q) {
    const int64_t gain = distortion(c, k, 0) - distortion(c, k, c->rounded[k]);
    return q == 0 ? gain <= RDCT_RDO_SURE_GAIN : gain >= RDCT_RDO_LEAST_GAIN;
}

static int64_t least_cost(const Case *c, int i, int16_t *qcoef) {
    if (i == c->count)
        return cost_of(c, qcoef);
    const int k = c->positions[i], sign = c->rounded[k] < 0 ? -1 : 1;
    int64_t least = INT64_MAX;
    for (int q = 0; q <= abs(c->rounded[k]); q++) {
        if (!allowed(c, k, q))
            continue;
        qcoef[k] = (int16_t)(sign * q);
        const int64_t cost = least_cost(c, i + 1, qcoef);
        least = cost < least ? cost : least;
    }
    return least;
}

static uint64_t places(const int16_t *qcoef) {
    uint64_t nonzero = 0;
    for (int k = 0; k < 64; k++)
        nonzero |= (uint64_t)(qcoef[k] != 0) << k;
    return nonzero;
}

/* Weighed once: never dearer than rounding, nor further from zero. */
static int check_once(const Case *c) {
    int16_t found[64];
    uint64_t nonzero = c->nonzero;
    memcpy(found, c->rounded, sizeof found);
    rdct_rdo_block_once(&c->table, &c->rates, c->coefficients, found, &nonzero);
    const int64_t cost = cost_of(c, found);
    if (nonzero != places(found) || cost > cost_of(c, c->rounded))
        return -1;
    for (int i = c->count - 1; i >= 0; i--) {
        const int k = c->positions[i];
        if (abs(found[k]) > abs(c->rounded[k]) || found[k] * c->rounded[k] < 0)
            return -1;
    }
    return 0;
}

int rdct_checkrdo(unsigned seed, int blocks) {
    unsigned state = seed;
    for (int block = 1; block <= blocks; block++) {
        Case c;
        int16_t found[64], tried[64] = {0};
        make_case(&state, &c);
        uint64_t nonzero = c.nonzero;
        memcpy(found, c.rounded, sizeof found);
        rdct_rdo_block(&c.table, &c.rates, c.coefficients, found, &nonzero);
        if (nonzero != places(found) || cost_of(&c, found) != least_cost(&c, 0, tried) || check_once(&c) != 0)
            return block;
    }
    return 0;
}
