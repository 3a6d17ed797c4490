/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/bitreader.h"

void rdct_bitreader_init(RdctBitReader *reader, const uint8_t *data, size_t size, int stuffing) {
    reader->buffer = 0;
    reader->count = 0;
    reader->stuffing = stuffing;
    reader->overrun = 0;
    reader->next = data;
    reader->end = data + size;
}

/* Byte by byte: near the end, or where stuffing or a marker is near. */
static void refill_slowly(RdctBitReader *reader) {
    while (reader->count <= 56) {
        if (reader->next >= reader->end) {
            if (reader->count < 0) {
                reader->overrun = 1;
                reader->count = 0;
                reader->buffer = 0;
            }
            return;
        }
        const uint8_t byte = *reader->next;
        if (reader->stuffing && byte == 0xFF) {
            if (reader->end - reader->next < 2 || reader->next[1] != 0) {
                reader->end = reader->next; /* a marker, or an FF that ends the data: no bits beyond it */
                continue;
            }
            reader->next++;
        }
        reader->next++;
        reader->buffer |= (uint64_t)byte << (56 - reader->count);
        reader->count += 8;
    }
}

void rdct_bitreader_refill(RdctBitReader *reader) {
    if (reader->count <= 55 && !rdct_bitreader_refill_fast(reader))
        refill_slowly(reader);
}
