/* SPDX-License-Identifier: Apache-2.0
 * What every harness shares. A harness is one function in libFuzzer's form; runner.c replays files through it without an engine. */
#ifndef RDCT_FUZZ_TARGET_H
#define RDCT_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken promise stops the run with the place, under every sanitizer and without one. */
#define FUZZ_REQUIRE(condition)                                                             \
    do {                                                                                    \
        if (!(condition)) {                                                                 \
            fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                        \
        }                                                                                   \
    } while (0)

#define FUZZ_MAX_PIXELS (1 << 18)

#endif
