/* SPDX-License-Identifier: Apache-2.0
 * What a context owns. The only file besides the public header that both enc and dec see whole. */
#ifndef RDCT_COMMON_CONTEXT_H
#define RDCT_COMMON_CONTEXT_H

#include "common/mem.h"
#include "common/threadpool.h"
#include "dsp/dsp.h"

struct RdctContext {
    RdctPool *pool;
    RdctDsp dsp;
    RdctScratch output; /* the finished stream of the last encode */
    size_t output_size;
    RdctScratch shared[10];  /* picture-wide scratch; enc and dec number their uses in their own file */
    RdctScratch *per_worker; /* [threads] */
};

#endif
