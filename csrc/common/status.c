/* SPDX-License-Identifier: Apache-2.0
 * Filling an RdctError: every failure of the library passes through here. */
#include "common/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void rdct_error_clear(RdctError *err) {
    if (err == NULL)
        return;
    memset(err, 0, sizeof *err);
    err->slice = -1;
    err->offset = -1;
}

static void fill(RdctError *err, int status, const char *rule, const char *format, va_list args) {
    rdct_error_clear(err);
    err->status = status;
    snprintf(err->rule, sizeof err->rule, "%s", rule);
    vsnprintf(err->message, sizeof err->message, format, args);
}

int rdct_fail(RdctError *err, int status, const char *rule, const char *format, ...) {
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        fill(err, status, rule, format, args);
        va_end(args);
    }
    return status;
}

int rdct_fail_at(RdctError *err, int status, const char *rule, int64_t offset, int slice, const char *format, ...) {
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        fill(err, status, rule, format, args);
        va_end(args);
        err->offset = offset;
        err->slice = slice;
    }
    return status;
}

int rdct_fail_limit(RdctError *err, int status, const char *rule, int64_t limit, int64_t actual, const char *format, ...) {
    if (err != NULL) {
        va_list args;
        va_start(args, format);
        fill(err, status, rule, format, args);
        va_end(args);
        err->limit = limit;
        err->actual = actual;
    }
    return status;
}

RdctIdText rdct_id_text(const uint8_t *id) {
    RdctIdText text;
    for (int i = 0; i < RDCT_ID_BYTES; i++) {
        text.hex[2 * i] = "0123456789abcdef"[id[i] >> 4];
        text.hex[2 * i + 1] = "0123456789abcdef"[id[i] & 15];
    }
    text.hex[2 * RDCT_ID_BYTES] = 0;
    return text;
}

const char *rdct_status_name(int status) {
    switch (status) {
    case RDCT_OK:
        return "ok";
    case RDCT_ERR_ARGUMENT:
        return "argument";
    case RDCT_ERR_BUFFER_SMALL:
        return "buffer_small";
    case RDCT_ERR_TRUNCATED:
        return "truncated";
    case RDCT_ERR_CORRUPT:
        return "corrupt";
    case RDCT_ERR_UNSUPPORTED:
        return "unsupported";
    case RDCT_ERR_LIMIT:
        return "limit";
    case RDCT_ERR_MEMORY:
        return "memory";
    case RDCT_ERR_INTERNAL:
        return "internal";
    default:
        return "unknown";
    }
}
