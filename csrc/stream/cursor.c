/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/cursor.h"

#include <string.h>

#include "common/status.h"

int rdct_cursor_take(RdctCursor *cursor, size_t n, const uint8_t **bytes, RdctError *err) {
    if (n > cursor->size - cursor->pos)
        return rdct_fail_at(err, RDCT_ERR_TRUNCATED, "truncated_header", (int64_t)cursor->size, -1,
                            "the data end at byte %lld, inside the header", (long long)cursor->size);
    *bytes = cursor->data + cursor->pos;
    cursor->pos += n;
    return RDCT_OK;
}

int rdct_cursor_u8(RdctCursor *cursor, uint8_t *value, RdctError *err) {
    const uint8_t *p = NULL;
    RDCT_TRY(rdct_cursor_take(cursor, 1, &p, err));
    *value = p[0];
    return RDCT_OK;
}

int rdct_cursor_u16(RdctCursor *cursor, uint16_t *value, RdctError *err) {
    const uint8_t *p = NULL;
    RDCT_TRY(rdct_cursor_take(cursor, 2, &p, err));
    *value = (uint16_t)(p[0] | p[1] << 8);
    return RDCT_OK;
}

int rdct_cursor_u32(RdctCursor *cursor, uint32_t *value, RdctError *err) {
    const uint8_t *p = NULL;
    RDCT_TRY(rdct_cursor_take(cursor, 4, &p, err));
    *value = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return RDCT_OK;
}

int rdct_cursor_varint(RdctCursor *cursor, const char *rule, uint32_t low, uint32_t high, uint32_t *value, RdctError *err) {
    const size_t start = cursor->pos;
    uint64_t result = 0;
    uint8_t byte = 0x80;
    for (int i = 0; byte & 0x80; i++) {
        if (i == 5)
            return rdct_cursor_corrupt(cursor, cursor->pos - start, "varint", "a varint is longer than 5 bytes", err);
        RDCT_TRY(rdct_cursor_u8(cursor, &byte, err));
        result |= (uint64_t)(byte & 0x7F) << (7 * i);
    }
    if (result >> 31 || (byte == 0 && cursor->pos - start > 1))
        return rdct_cursor_corrupt(cursor, cursor->pos - start, "varint", "a varint is not in its shortest form or above 2^31 - 1", err);
    if (result < low || result > high)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, rule, (int64_t)start, -1, "the header field %s is %lld, outside %lld..%lld", rule,
                            (long long)result, (long long)low, (long long)high);
    *value = (uint32_t)result;
    return RDCT_OK;
}

int rdct_cursor_corrupt(const RdctCursor *cursor, size_t size, const char *rule, const char *what, RdctError *err) {
    const long long at = (long long)(cursor->pos - size);
    return rdct_fail_at(err, RDCT_ERR_CORRUPT, rule, at, -1, "the header is corrupt at byte %lld: %s", at, what);
}

void rdct_sink_bytes(RdctSink *sink, const uint8_t *bytes, size_t n) {
    if (n > 0 && sink->size <= sink->capacity && n <= sink->capacity - sink->size)
        memcpy(sink->out + sink->size, bytes, n);
    sink->size += n;
}

void rdct_sink_u8(RdctSink *sink, int value) {
    const uint8_t byte = (uint8_t)value;
    rdct_sink_bytes(sink, &byte, 1);
}

void rdct_sink_u16(RdctSink *sink, uint32_t value) {
    rdct_sink_u8(sink, (int)(value & 0xFF));
    rdct_sink_u8(sink, (int)(value >> 8 & 0xFF));
}

void rdct_sink_u32(RdctSink *sink, uint32_t value) {
    rdct_sink_u16(sink, value & 0xFFFF);
    rdct_sink_u16(sink, value >> 16);
}

void rdct_sink_varint(RdctSink *sink, uint32_t value) {
    for (; value >= 0x80; value >>= 7)
        rdct_sink_u8(sink, (int)(0x80 | (value & 0x7F)));
    rdct_sink_u8(sink, (int)value);
}
