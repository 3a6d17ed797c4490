/* SPDX-License-Identifier: Apache-2.0
 * The only allocator. */
#include "common/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT ((size_t)64)

/* Test hook only; atomic because workers grow their own buffers. */
static atomic_llong fail_countdown;

void rdct_mem_fail_after(int64_t n) {
    atomic_store(&fail_countdown, n);
}

static int injected_failure(void) {
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0)
        return 0;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void *rdct_malloc(size_t count, size_t size) {
    if (size != 0 && count > (SIZE_MAX - ALIGNMENT) / size)
        return NULL;
    if (injected_failure())
        return NULL;
    /* aligned_alloc wants a multiple of the alignment; an empty block still gets an address of its own. */
    const size_t bytes = (count * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return aligned_alloc(ALIGNMENT, bytes == 0 ? ALIGNMENT : bytes);
}

void rdct_free(void *block) {
    free(block);
}

void *rdct_scratch_reserve(RdctScratch *scratch, size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size)
        return NULL;
    if (scratch->data != NULL && count * size <= scratch->size)
        return scratch->data;
    void *data = rdct_malloc(count, size);
    if (data == NULL)
        return NULL;
    rdct_free(scratch->data);
    scratch->data = data;
    scratch->size = count * size;
    return data;
}

void *rdct_scratch_grow(RdctScratch *scratch, size_t used, size_t size) {
    if (scratch->data != NULL && size <= scratch->size)
        return scratch->data;
    void *data = rdct_malloc(size, 1);
    if (data == NULL)
        return NULL;
    if (used > 0)
        memcpy(data, scratch->data, used);
    rdct_free(scratch->data);
    scratch->data = data;
    scratch->size = size;
    return data;
}

void rdct_scratch_free(RdctScratch *scratch) {
    rdct_free(scratch->data);
    scratch->data = NULL;
    scratch->size = 0;
}
