/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/bitwriter.h"

void rdct_bitwriter_init(RdctBitWriter *writer, uint8_t *out) {
    writer->buffer = 0;
    writer->count = 0;
    writer->next = out;
}

uint8_t *rdct_bitwriter_finish(RdctBitWriter *writer, int fill, int stuffing) {
    const int padding = -writer->count & 7;
    rdct_put_bits(writer, fill ? (1u << padding) - 1 : 0, padding);
    rdct_bitwriter_flush(writer, stuffing);
    return writer->next;
}
