/* SPDX-License-Identifier: Apache-2.0
 * Errors as values: a status is returned, the details go into the caller's RdctError. */
#ifndef RDCT_COMMON_STATUS_H
#define RDCT_COMMON_STATUS_H

#include "rdct.h"

#if defined(__GNUC__)
#define RDCT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define RDCT_PRINTF(fmt, args)
#endif

/* Fill *err (unless NULL) and return status. */
int rdct_fail(RdctError *err, int status, const char *rule, const char *format, ...) RDCT_PRINTF(4, 5);
/* The same for a place in a stream; slice -1 = header. */
int rdct_fail_at(RdctError *err, int status, const char *rule, int64_t offset, int slice, const char *format, ...) RDCT_PRINTF(6, 7);
/* The same for a limit or a capacity. */
int rdct_fail_limit(RdctError *err, int status, const char *rule, int64_t limit, int64_t actual, const char *format, ...) RDCT_PRINTF(6, 7);
void rdct_error_clear(RdctError *err);
/* An id or a hash for a message. */
typedef struct RdctIdText {
    char hex[2 * RDCT_ID_BYTES + 1];
} RdctIdText;
RdctIdText rdct_id_text(const uint8_t *id);

/* Pass a failure on unchanged. */
#define RDCT_TRY(call)                \
    do {                              \
        const int rdct_try_ = (call); \
        if (rdct_try_ != RDCT_OK)     \
            return rdct_try_;         \
    } while (0)

#endif
