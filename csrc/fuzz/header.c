/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a header, as the canonical bytes of a table set and as a level map by itself. Promise: what is accepted is within its
 * documented ranges, a table set that parses is written again to the same bytes, and a map to bytes that say the same. */
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

/* The first bytes choose the shape; what the rest says comes out within it, and again after another turn through the coder. */
static void read_level_map(const uint8_t *data, size_t size) {
    if (size < 3)
        return;
    const int rows = 1 + data[0] % 40, cols = 1 + data[1] % 40, levels = 1 + data[2] % RDCT_MAX_LEVELS;
    const size_t regions = (size_t)rows * (size_t)cols;
    size_t coded = rdct_level_map_bound(rows, cols, levels);
    uint8_t *map = malloc(regions), *again = malloc(regions), *bytes = malloc(coded);
    FUZZ_REQUIRE(map != NULL && again != NULL && bytes != NULL);
    if (rdct_decode_level_map(data + 3, size - 3, rows, cols, levels, map, NULL) == RDCT_OK) {
        for (size_t i = 0; i < regions; i++)
            FUZZ_REQUIRE(map[i] < levels || map[i] == RDCT_SKIP);
        FUZZ_REQUIRE(rdct_encode_level_map(map, rows, cols, levels, bytes, &coded, NULL) == RDCT_OK);
        FUZZ_REQUIRE(rdct_decode_level_map(bytes, coded, rows, cols, levels, again, NULL) == RDCT_OK);
        FUZZ_REQUIRE(memcmp(map, again, regions) == 0);
    }
    free(map);
    free(again);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    read_stream_header(data, size);
    read_table_set(data, size);
    read_level_map(data, size);
    return 0;
}
