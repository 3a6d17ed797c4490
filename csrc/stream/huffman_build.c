/* SPDX-License-Identifier: Apache-2.0
 * Optimal code lengths of at most 16 bits (package-merge), and the encoder's codes from lengths.
 *
 * A dummy symbol that never occurs joins the code: it takes the place of the all-ones code and is dropped at the end. */
#include "common/status.h"
#include "stream/huffman.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_LENGTH = 16, SYMBOLS = 256, DUMMY = 256, MAX_LEAVES = SYMBOLS + 1, MAX_ITEMS = 2 * MAX_LEAVES };

/* Sums over 257 symbols and 16 levels stay within 63 bits. */
#define MAX_COUNT ((int64_t)1 << 48)

typedef struct Leaf {
    int64_t count;
    int symbol;
} Leaf;

/* A total order, so that the result does not depend on the sort. */
static int by_count(const void *a, const void *b) {
    const Leaf *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->symbol < y->symbol ? -1 : x->symbol > y->symbol;
}

/* Merges the leaves with pairs of the items of the level below; is_leaf marks which is which. Returns the number of items. */
static int merge_level(const Leaf *leaves, int n, const int64_t *below, int below_items, int64_t *weights, uint8_t *is_leaf) {
    const int packages = below_items / 2;
    int items = 0, leaf = 0, package = 0;
    while (leaf < n || package < packages) {
        const int64_t pair = package < packages ? below[2 * package] + below[2 * package + 1] : INT64_MAX;
        const int take_leaf = leaf < n && leaves[leaf].count <= pair;
        weights[items] = take_leaf ? leaves[leaf++].count : pair;
        package += !take_leaf;
        is_leaf[items++] = (uint8_t)take_leaf;
    }
    return items;
}

/* depth[i] = code length of leaf i; leaves ascending, n >= 2. */
static void package_merge(const Leaf *leaves, int n, uint8_t *depth) {
    int64_t weights[2][MAX_ITEMS];
    uint8_t is_leaf[MAX_LENGTH][MAX_ITEMS];
    int items = 0;
    for (int level = 0; level < MAX_LENGTH; level++)
        items = merge_level(leaves, n, weights[(level + 1) & 1], items, weights[level & 1], is_leaf[level]);
    memset(depth, 0, (size_t)n);
    /* The 2n - 2 lightest items of the last level are the code; each package among them stands for two items a level below. */
    int chosen = 2 * n - 2;
    for (int level = MAX_LENGTH - 1; level >= 0; level--) {
        int leaf = 0;
        for (int i = 0; i < chosen; i++)
            if (is_leaf[level][i])
                depth[leaf++]++;
        chosen = 2 * (chosen - leaf);
    }
}

int rdct_huffman_lengths(const int64_t *counts, uint8_t *lengths, RdctError *err) {
    Leaf leaves[MAX_LEAVES];
    uint8_t depth[MAX_LEAVES];
    int n = 0;
    rdct_error_clear(err);
    if (counts == NULL || lengths == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "counts or lengths is NULL");
    for (int symbol = 0; symbol < SYMBOLS; symbol++) {
        if (counts[symbol] < 0 || counts[symbol] > MAX_COUNT)
            return rdct_fail(err, RDCT_ERR_ARGUMENT, "huffman_counts", "counts[%d] is %lld, but must be 0..2^48", symbol,
                             (long long)counts[symbol]);
        if (counts[symbol] > 0)
            leaves[n++] = (Leaf){counts[symbol], symbol};
    }
    memset(lengths, 0, SYMBOLS);
    if (n == 0)
        return RDCT_OK;
    leaves[n++] = (Leaf){0, DUMMY};
    qsort(leaves, (size_t)n, sizeof leaves[0], by_count);
    package_merge(leaves, n, depth);
    for (int i = 0; i < n; i++)
        if (leaves[i].symbol != DUMMY)
            lengths[leaves[i].symbol] = depth[i];
    return RDCT_OK;
}

void rdct_huffman_encoder_init(RdctHuffmanEncoder *encoder, const uint8_t *lengths) {
    uint32_t code = 0;
    memset(encoder, 0, sizeof *encoder);
    memcpy(encoder->length, lengths, sizeof encoder->length);
    for (int length = 1; length <= MAX_LENGTH; length++) {
        code <<= 1;
        for (int symbol = 0; symbol < SYMBOLS; symbol++)
            if (lengths[symbol] == length)
                encoder->code[symbol] = code++;
    }
}
