/* SPDX-License-Identifier: Apache-2.0
 * The public functions that look at a stream without decoding it, for both formats. */
#include <string.h>

#include "common/status.h"
#include "stream/header.h"
#include "stream/jfif.h"

int rdct_unknown_format(const uint8_t *data, size_t size, RdctError *err) {
    if (size == 0 || (size < 4 && memcmp(data, "RDCT", size) == 0) || (size == 1 && data[0] == 0xFF))
        return rdct_fail_at(err, RDCT_ERR_TRUNCATED, "truncated_header", (int64_t)size, -1, "the data end at byte %lld, inside the header",
                            (long long)size);
    return rdct_fail_at(err, RDCT_ERR_CORRUPT, "magic", 0, -1, "the data are neither an rdct stream nor a JPEG file");
}

int rdct_read_header(const uint8_t *data, size_t size, RdctHeader *header, RdctError *err) {
    if (!data || !header)
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "data and header must not be NULL");
    rdct_error_clear(err);
    if (rdct_is_jpeg(data, size)) {
        RdctParsedJpeg parsed;
        RDCT_TRY(rdct_jfif_parse(&parsed, data, size, 0, err));
        *header = parsed.info;
        return RDCT_OK;
    }
    if (!rdct_is_rdct(data, size))
        return rdct_unknown_format(data, size, err);
    RdctParsedHeader parsed;
    RDCT_TRY(rdct_header_parse(&parsed, data, size, NULL, 0, RDCT_HEADER_ALLOW_MISSING_SET | RDCT_HEADER_WITHOUT_MAP, 0, err));
    *header = parsed.info;
    rdct_parsed_header_free(&parsed);
    return RDCT_OK;
}

int rdct_read_header_arrays(const uint8_t *data, size_t size, const RdctTableSet *const *sets, int set_count, uint16_t *tables,
                            uint8_t *level_map, RdctError *err) {
    if (!data || (set_count > 0 && !sets))
        return rdct_fail(err, RDCT_ERR_ARGUMENT, "null", "data and sets must not be NULL");
    rdct_error_clear(err);
    if (rdct_is_jpeg(data, size)) {
        RdctParsedJpeg parsed;
        RDCT_TRY(rdct_jfif_parse(&parsed, data, size, 0, err));
        if (tables)
            memcpy(tables, parsed.tables, sizeof parsed.tables);
        if (level_map)
            memset(level_map, 0, (size_t)parsed.layout.map_rows * (size_t)parsed.layout.map_cols);
        return RDCT_OK;
    }
    if (!rdct_is_rdct(data, size))
        return rdct_unknown_format(data, size, err);
    RdctParsedHeader parsed;
    const int flags = (tables ? 0 : RDCT_HEADER_ALLOW_MISSING_SET) | (level_map ? 0 : RDCT_HEADER_WITHOUT_MAP);
    RDCT_TRY(rdct_header_parse(&parsed, data, size, sets, set_count, flags, 0, err));
    if (tables)
        memcpy(tables, parsed.tables, (size_t)parsed.info.levels * 192 * sizeof *tables);
    if (level_map)
        memcpy(level_map, parsed.level_map, (size_t)parsed.layout.map_rows * (size_t)parsed.layout.map_cols);
    rdct_parsed_header_free(&parsed);
    return RDCT_OK;
}
