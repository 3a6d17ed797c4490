/* SPDX-License-Identifier: Apache-2.0
 * The only allocator: sizes are checked for overflow, blocks are 64-byte aligned, failures can be injected by tests. */
#ifndef RDCT_COMMON_MEM_H
#define RDCT_COMMON_MEM_H

#include <stddef.h>
#include <stdint.h>

void *rdct_malloc(size_t count, size_t size); /* NULL when count * size overflows or memory is out */
void rdct_free(void *block);

/* A scratch block that only grows; contents are lost when it does. Returns NULL on failure (block then unchanged). */
typedef struct RdctScratch {
    void *data;
    size_t size;
} RdctScratch;
void *rdct_scratch_reserve(RdctScratch *scratch, size_t count, size_t size);
/* The same, but keeps the first `used` bytes. */
void *rdct_scratch_grow(RdctScratch *scratch, size_t used, size_t size);
void rdct_scratch_free(RdctScratch *scratch);

/* Tests only: let the n-th allocation from now fail (n >= 1), once; 0 switches it off. Not thread-safe. */
void rdct_mem_fail_after(int64_t n);

#endif
