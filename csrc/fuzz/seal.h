/* SPDX-License-Identifier: Apache-2.0
 * Checksums made right again, which is how an attacker sends a stream: without it hardly a mutation gets past them. */
#ifndef RDCT_FUZZ_SEAL_H
#define RDCT_FUZZ_SEAL_H

#include <string.h>

#include "rdct.h"
#include "stream/header.h"
#include "target.h"

static inline void seal_put_u32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* The stream with right checksums in a block of its exact size; NULL if its header cannot be read whatever its checksum. */
static inline uint8_t *sealed(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size > 0 ? size : 1);
    RdctHeader header;
    RdctError err;
    FUZZ_REQUIRE(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    int status = rdct_read_header(copy, size, &header, &err);
    if (status != RDCT_OK && strcmp(err.rule, "header_crc") == 0) {
        seal_put_u32(copy + err.offset, rdct_header_crc(copy, (size_t)err.offset));
        status = rdct_read_header(copy, size, &header, &err);
    }
    if (status != RDCT_OK || header.format != RDCT_FORMAT_RDCT) {
        free(copy);
        return NULL;
    }
    const size_t index = (size_t)(header.header_bytes - 4 - header.index_bytes), end = (size_t)header.header_bytes;
    size_t at = index, start = end;
    for (int i = 0; i < header.slices; i++, at += 4) {
        size_t bytes = 0;
        int shift = 0;
        for (; copy[at] & 0x80; at++, shift += 7)
            bytes |= (size_t)(copy[at] & 0x7F) << shift;
        bytes |= (size_t)copy[at++] << shift;
        if (bytes > size - start)
            break; /* cut off: this slice and all after it */
        seal_put_u32(copy + at, rdct_header_crc(copy + start, bytes));
        start += bytes;
    }
    seal_put_u32(copy + end - 4, rdct_header_crc(copy, end - 4));
    return copy;
}

#endif
