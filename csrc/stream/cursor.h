/* SPDX-License-Identifier: Apache-2.0
 * Header fields read from and written to bytes. The reader checks every field against its range as it goes; the writer counts on
 * when room is out, so that one pass also tells the size needed. */
#ifndef RDCT_STREAM_CURSOR_H
#define RDCT_STREAM_CURSOR_H

#include <stddef.h>
#include <stdint.h>

#include "rdct.h"

typedef struct RdctCursor {
    const uint8_t *data;
    size_t size, pos;
} RdctCursor;

/* n bytes at the cursor, which moves on; fails with "truncated_header". */
int rdct_cursor_take(RdctCursor *cursor, size_t n, const uint8_t **bytes, RdctError *err);
int rdct_cursor_u8(RdctCursor *cursor, uint8_t *value, RdctError *err);
int rdct_cursor_u16(RdctCursor *cursor, uint16_t *value, RdctError *err);
int rdct_cursor_u32(RdctCursor *cursor, uint32_t *value, RdctError *err);
/* Shortest form only ("varint"); outside low..high fails with `rule`. */
int rdct_cursor_varint(RdctCursor *cursor, const char *rule, uint32_t low, uint32_t high, uint32_t *value, RdctError *err);
/* The error of a field that ends at the cursor and was `size` bytes long. */
int rdct_cursor_corrupt(const RdctCursor *cursor, size_t size, const char *rule, const char *what, RdctError *err);

typedef struct RdctSink {
    uint8_t *out;
    size_t capacity, size; /* size > capacity: nothing was stored beyond capacity */
} RdctSink;

void rdct_sink_bytes(RdctSink *sink, const uint8_t *bytes, size_t n);
void rdct_sink_u8(RdctSink *sink, int value);
void rdct_sink_u16(RdctSink *sink, uint32_t value);
void rdct_sink_u32(RdctSink *sink, uint32_t value);
void rdct_sink_varint(RdctSink *sink, uint32_t value);

#endif
