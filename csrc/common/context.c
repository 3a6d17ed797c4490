/* SPDX-License-Identifier: Apache-2.0
 * Life of a context, and what the library says about itself. */
#include "common/context.h"

#include "common/status.h"

#include <stdlib.h>
#include <string.h>

#ifndef RDCT_VERSION
#define RDCT_VERSION "0.1.0"
#endif

#define MAX_THREADS 256

static const char *const cpu_names[] = {"auto", "c", "ssse3", "avx2", "avx512", "neon"};
enum { CPU_NAMES = sizeof cpu_names / sizeof cpu_names[0] };

const char *rdct_version(void) {
    return RDCT_VERSION;
}

const char *rdct_context_cpu(const RdctContext *ctx) {
    return ctx->dsp.name;
}

/* AUTO obeys the environment, so that a user can rule out an instruction set without touching code. */
static int choose_cpu(int cpu, int *chosen, RdctError *err) {
    if (cpu < RDCT_CPU_AUTO || cpu >= CPU_NAMES)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "cpu", "cpu is %d, but must be 0..%d", cpu, CPU_NAMES - 1);
    *chosen = cpu;
    const char *name = cpu == RDCT_CPU_AUTO ? getenv("RDCT_CPU") : NULL;
    if (name == NULL || name[0] == '\0')
        return RDCT_OK;
    for (int i = 0; i < CPU_NAMES; i++) {
        if (strcmp(name, cpu_names[i]) == 0) {
            *chosen = i;
            return RDCT_OK;
        }
    }
    return rdct_fail(err, RDCT_ERR_ARGUMENT, "cpu", "RDCT_CPU is \"%.32s\", but must be auto, c, ssse3, avx2, avx512 or neon", name);
}

int rdct_context_create(int threads, int cpu, RdctContext **out, RdctError *err) {
    rdct_error_clear(err);
    if (out == NULL)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "out is NULL");
    *out = NULL;
    if (threads < 1 || threads > MAX_THREADS)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "threads", "threads is %d, but must be 1..%d", threads, MAX_THREADS);
    int chosen = RDCT_CPU_C;
    RDCT_TRY(choose_cpu(cpu, &chosen, err));

    RdctContext *ctx = rdct_malloc(1, sizeof *ctx);
    if (ctx == NULL)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "no memory for a context");
    memset(ctx, 0, sizeof *ctx);
    if (rdct_dsp_init(&ctx->dsp, chosen) != 0) {
        rdct_context_destroy(ctx);
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "cpu", "cpu \"%s\" is not available on this machine or in this build", cpu_names[chosen]);
    }
    ctx->pool = rdct_pool_create(threads);
    ctx->per_worker = rdct_malloc((size_t)threads, sizeof *ctx->per_worker);
    if (ctx->per_worker != NULL)
        memset(ctx->per_worker, 0, (size_t)threads * sizeof *ctx->per_worker);
    if (ctx->pool == NULL || ctx->per_worker == NULL) {
        rdct_context_destroy(ctx);
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "no memory for a context of %d threads", threads);
    }
    *out = ctx;
    return RDCT_OK;
}

void rdct_context_destroy(RdctContext *ctx) {
    if (ctx == NULL)
        return;
    for (int i = 0; ctx->pool != NULL && ctx->per_worker != NULL && i < rdct_pool_threads(ctx->pool); i++)
        rdct_scratch_free(&ctx->per_worker[i]);
    rdct_free(ctx->per_worker);
    rdct_pool_destroy(ctx->pool);
    for (size_t i = 0; i < sizeof ctx->shared / sizeof ctx->shared[0]; i++)
        rdct_scratch_free(&ctx->shared[i]);
    rdct_scratch_free(&ctx->output);
    rdct_free(ctx);
}
