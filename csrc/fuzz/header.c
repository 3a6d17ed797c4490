/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a header and as the canonical bytes of a table set. Promise: what is accepted is within its documented ranges and a
 * table set that parses is written again to the same bytes. */
#include <string.h>

#include "rdct.h"
#include "target.h"

static void read_stream_header(const uint8_t *data, size_t size) {
    RdctHeader header;
    if (rdct_read_header(data, size, &header, NULL) != RDCT_OK)
        return;
    FUZZ_REQUIRE(header.width >= 1 && header.width <= RDCT_MAX_SIDE && header.height >= 1 && header.height <= RDCT_MAX_SIDE);
    FUZZ_REQUIRE(header.levels >= 1 && header.levels <= RDCT_MAX_LEVELS);
    FUZZ_REQUIRE(header.region_blocks >= 1 && header.region_blocks <= RDCT_MAX_REGION_BLOCKS);
    if ((int64_t)header.width * header.height > FUZZ_MAX_PIXELS)
        return;
    const size_t regions = (size_t)header.map_rows * (size_t)header.map_cols;
    uint16_t *tables = malloc((size_t)header.levels * 3 * 64 * sizeof *tables);
    uint8_t *map = malloc(regions);
    FUZZ_REQUIRE(tables != NULL && map != NULL);
    if (rdct_read_header_arrays(data, size, NULL, 0, header.tables_by_id ? NULL : tables, map, NULL) == RDCT_OK) {
        for (size_t i = 0; i < regions; i++)
            FUZZ_REQUIRE(map[i] < header.levels || map[i] == RDCT_SKIP);
        for (size_t i = 0; !header.tables_by_id && i < (size_t)header.levels * 192; i++)
            FUZZ_REQUIRE(tables[i] >= 1 && tables[i] <= RDCT_MAX_STEP);
    }
    free(tables);
    free(map);
}

static void read_table_set(const uint8_t *data, size_t size) {
    int32_t levels, bands, is_log;
    if (rdct_table_set_parse(data, size, &levels, &bands, &is_log, NULL, NULL, NULL, NULL, NULL) != RDCT_OK)
        return;
    FUZZ_REQUIRE(levels >= 1 && levels <= RDCT_MAX_LEVELS && bands >= 0 && bands <= RDCT_MAX_BANDS);
    uint16_t *tables = malloc((size_t)levels * 192 * sizeof *tables);
    uint8_t base[192];
    int8_t offsets[RDCT_MAX_LEVELS];
    RdctHuffmanLengths *huffman = malloc((size_t)(bands + 1) * sizeof *huffman);
    FUZZ_REQUIRE(tables != NULL && huffman != NULL);
    if (rdct_table_set_parse(data, size, &levels, &bands, &is_log, tables, base, offsets, huffman, NULL) == RDCT_OK) {
        RdctTableSet set = {{0}, levels, tables, is_log ? base : NULL, is_log ? offsets : NULL, bands, huffman};
        size_t written = 0;
        FUZZ_REQUIRE(rdct_table_set_bytes(&set, NULL, &written, NULL) == RDCT_OK && written == size);
        uint8_t *again = malloc(written);
        FUZZ_REQUIRE(again != NULL && rdct_table_set_bytes(&set, again, &written, NULL) == RDCT_OK);
        FUZZ_REQUIRE(memcmp(again, data, size) == 0);
        free(again);
    }
    free(tables);
    free(huffman);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_stream_header(data, size);
    read_table_set(data, size);
    return 0;
}
