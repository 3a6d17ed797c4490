/* SPDX-License-Identifier: Apache-2.0
 * The canonical bytes of a table set (docs/bitstream.md, section 8): what its id is the hash of. */
#include <string.h>

#include "common/status.h"
#include "rdct.h"
#include "stream/huffman.h"
#include "stream/table_section.h"

enum { SET_VERSION = 1, BAND_BYTES = 4 * 256 };

int rdct_table_set_bytes(const RdctTableSet *set, uint8_t *out, size_t *size, RdctError *err) {
    int form, quality;
    if (!set || !size || !set->tables || (set->bands > 0 && !set->huffman))
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "set, its arrays and size must not be NULL");
    if (set->levels < 1 || set->levels > RDCT_MAX_LEVELS)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "levels", "levels is %d, outside 1..%d", set->levels, RDCT_MAX_LEVELS);
    if (set->bands < 0 || set->bands > RDCT_MAX_BANDS)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "bands", "bands is %d, outside 0..%d", set->bands, RDCT_MAX_BANDS);
    for (int band = 0; band < set->bands; band++)
        for (int table = 0; table < 4; table++)
            RDCT_TRY(rdct_huffman_check(set->huffman[band].lengths[table], table % 2 == 0, -1, err));
    RDCT_TRY(rdct_table_section_form(set, 3, 0, &form, &quality, err));

    RdctSink sink = {out, out ? *size : 0, 0};
    rdct_sink_bytes(&sink, (const uint8_t *)"RDTS", 4);
    rdct_sink_u8(&sink, SET_VERSION);
    rdct_sink_u8(&sink, set->levels);
    rdct_sink_u8(&sink, set->bands);
    rdct_table_section_write(&sink, set, 3, form, quality);
    for (int band = 0; band < set->bands; band++)
        rdct_sink_bytes(&sink, &set->huffman[band].lengths[0][0], BAND_BYTES);
    *size = sink.size;
    if (sink.capacity > 0 && sink.size > sink.capacity)
        return rdct_fail_limit(err, RDCT_ERR_BUFFER_SMALL, "capacity", (int64_t)sink.capacity, (int64_t)sink.size,
                               "the table set needs %lld bytes, the buffer holds %lld", (long long)sink.size, (long long)sink.capacity);
    return RDCT_OK;
}

int rdct_table_set_parse(const uint8_t *data, size_t size, int32_t *levels, int32_t *bands, int32_t *is_log, uint16_t *tables,
                         uint8_t *log_base, int8_t *log_offset, RdctHuffmanLengths *huffman, RdctError *err) {
    RdctTableSection section;
    RdctCursor cursor = {data, size, 0};
    const uint8_t *bytes;
    if (!data || !levels || !bands || !is_log)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "data, levels, bands and is_log must not be NULL");
    RDCT_TRY(rdct_cursor_take(&cursor, 4, &bytes, err));
    if (memcmp(bytes, "RDTS", 4) != 0)
        return rdct_cursor_corrupt(&cursor, 4, "magic", "these are not the bytes of a table set", err);
    RDCT_TRY(rdct_cursor_take(&cursor, 3, &bytes, err));
    if (bytes[0] != SET_VERSION)
        return rdct_fail_at(err, RDCT_ERR_UNSUPPORTED, "version", 4, -1, "version %d of table sets is unknown", bytes[0]);
    if (bytes[1] < 1 || bytes[1] > RDCT_MAX_LEVELS)
        return rdct_cursor_corrupt(&cursor, 2, "levels", "the number of levels is outside 1..64", err);
    if (bytes[2] > RDCT_MAX_BANDS)
        return rdct_cursor_corrupt(&cursor, 1, "bands", "the number of bands is above 64", err);
    const int level_count = bytes[1], band_count = bytes[2];
    RDCT_TRY(rdct_table_section_read(&cursor, level_count, 3, 0, &section, tables, err));
    for (int band = 0; band < band_count; band++) {
        RDCT_TRY(rdct_cursor_take(&cursor, BAND_BYTES, &bytes, err));
        for (int table = 0; table < 4; table++)
            RDCT_TRY(rdct_huffman_check(bytes + 256 * table, table % 2 == 0, (int64_t)cursor.pos - BAND_BYTES + 256 * table, err));
        if (tables && huffman)
            memcpy(huffman[band].lengths, bytes, BAND_BYTES);
    }
    if (cursor.pos != size)
        return rdct_cursor_corrupt(&cursor, 0, "trailing_bytes", "bytes follow the table set", err);
    *levels = level_count;
    *bands = band_count;
    *is_log = section.form == RDCT_FORM_LOG;
    if (tables && *is_log) {
        if (log_base)
            memcpy(log_base, section.log_base, sizeof section.log_base);
        if (log_offset)
            memcpy(log_offset, section.log_offset, (size_t)level_count);
    }
    return RDCT_OK;
}
