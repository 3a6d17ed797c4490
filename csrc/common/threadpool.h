/* SPDX-License-Identifier: Apache-2.0
 * A pool that runs job(arg, index, worker) for index 0..count-1, each exactly once; the caller works too. */
#ifndef RDCT_COMMON_THREADPOOL_H
#define RDCT_COMMON_THREADPOOL_H

typedef struct RdctPool RdctPool;
typedef void (*RdctJob)(void *arg, int index, int worker); /* worker 0..threads-1: private scratch */

RdctPool *rdct_pool_create(int threads); /* threads >= 1; NULL on failure; 1 makes no thread */
void rdct_pool_destroy(RdctPool *pool);
void rdct_pool_run(RdctPool *pool, int count, RdctJob job, void *arg);
int rdct_pool_threads(const RdctPool *pool);

#endif
