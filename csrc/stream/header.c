/* SPDX-License-Identifier: Apache-2.0
 * Reading everything before slice 0. First the structure, which allocates nothing; then the CRC and the limits; then the contents. */
#include "stream/header.h"

#include <string.h>

#include "common/status.h"
#include "common/tables.h"
#include "dsp/dsp.h"
#include "stream/cursor.h"
#include "stream/huffman.h"
#include "stream/level_map.h"
#include "stream/refine.h"
#include "stream/table_section.h"

enum { VERSION = 1, BAND_INLINE = 254, BAND_ANNEX_K = 255, MAX_SLICE_ROWS = 8192 };

/* Where the variable parts lie. */
typedef struct Span {
    size_t at, size;
} Span;

typedef struct Structure {
    Span tables, huffman, map, refine; /* but for tables the range-coded bytes alone */
    int map_coding /* RdctMapCoding */, map_level;
    size_t index_at;
} Structure;

static int starts_with(const uint8_t *data, size_t size, const char *magic, size_t n) {
    return size >= n && memcmp(data, magic, n) == 0;
}

int rdct_is_rdct(const uint8_t *data, size_t size) {
    return starts_with(data, size, "RDCT", 4);
}

int rdct_is_jpeg(const uint8_t *data, size_t size) {
    return starts_with(data, size, "\xFF\xD8", 2);
}

uint32_t rdct_header_crc(const uint8_t *data, size_t size) {
    RdctDsp dsp;
    rdct_dsp_init(&dsp, RDCT_CPU_C); /* a header is short: the reference will do */
    return dsp.crc32c(data, size);
}

static int read_start(RdctCursor *cursor, RdctHeader *info, int *map_coding, RdctError *err) {
    const uint8_t *bytes;
    RDCT_TRY(rdct_cursor_take(cursor, 4, &bytes, err));
    if (memcmp(bytes, "RDCT", 4) != 0)
        return rdct_cursor_corrupt(cursor, 4, "magic", "this is not an rdct stream", err);
    RDCT_TRY(rdct_cursor_take(cursor, 2, &bytes, err));
    const int flags = bytes[1];
    info->version = bytes[0];
    if (info->version != VERSION)
        return rdct_fail_at(err, RDCT_ERR_UNSUPPORTED, "version", 4, -1, "version %d of the rdct stream is unknown", info->version);
    info->subsampling = flags & 3;
    info->entropy = flags >> 2 & 3;
    info->tables_by_id = flags >> 4 & 1;
    info->refine = flags >> 5 & 1;
    *map_coding = flags >> 6;
    info->components = info->subsampling == RDCT_GREY ? 1 : 3;
    if (info->entropy == RDCT_CONTEXT && info->refine)
        return rdct_fail_at(err, RDCT_ERR_UNSUPPORTED, "entropy", 5, -1,
                            "context-modelled refinement streams are not read by this version");
    if (info->entropy > RDCT_CONTEXT)
        return rdct_fail_at(err, RDCT_ERR_UNSUPPORTED, "entropy", 5, -1, "entropy coding %d is not read by this version", info->entropy);
    if (*map_coding > RDCT_MAP_TRAINED)
        return rdct_fail_at(err, RDCT_ERR_UNSUPPORTED, "map", 5, -1, "coding %d of the level map is not read by this version", *map_coding);
    return RDCT_OK;
}

static int read_dimensions(RdctCursor *cursor, RdctHeader *info, RdctLayout *layout, RdctError *err) {
    uint32_t width, height, slice_rows;
    uint16_t scale;
    uint8_t levels, region_blocks;
    RDCT_TRY(rdct_cursor_varint(cursor, "width", 1, RDCT_MAX_SIDE, &width, err));
    RDCT_TRY(rdct_cursor_varint(cursor, "height", 1, RDCT_MAX_SIDE, &height, err));
    RDCT_TRY(rdct_cursor_u16(cursor, &scale, err));
    if (scale == 0)
        return rdct_cursor_corrupt(cursor, 2, "scale", "the scale of the tables is zero", err);
    RDCT_TRY(rdct_cursor_u8(cursor, &levels, err));
    if (levels < 1 || levels > RDCT_MAX_LEVELS)
        return rdct_cursor_corrupt(cursor, 1, "levels", "the number of levels is outside 1..64", err);
    RDCT_TRY(rdct_cursor_u8(cursor, &region_blocks, err));
    if (region_blocks < 1 || region_blocks > RDCT_MAX_REGION_BLOCKS)
        return rdct_cursor_corrupt(cursor, 1, "region_blocks", "the side of a region is outside 1..8 blocks", err);
    const size_t slice_rows_at = cursor->pos;
    RDCT_TRY(rdct_cursor_varint(cursor, "slice_rows", 1, MAX_SLICE_ROWS, &slice_rows, err));
    if (rdct_layout_init(layout, (int)width, (int)height, info->subsampling, region_blocks, (int)slice_rows, NULL) != RDCT_OK)
        return rdct_cursor_corrupt(cursor, cursor->pos - slice_rows_at, "slice_rows", "slices of this height are not whole MCU rows", err);
    info->width = (int32_t)width;
    info->height = (int32_t)height;
    info->scale = scale;
    info->levels = levels;
    info->region_blocks = region_blocks;
    info->slice_rows = (int32_t)slice_rows;
    info->slices = layout->slices;
    info->map_rows = layout->map_rows;
    info->map_cols = layout->map_cols;
    return RDCT_OK;
}

/* varint n and n bytes of range-coded data: just where they are. */
static int read_coded_span(RdctCursor *cursor, const char *rule, Span *span, RdctError *err) {
    uint32_t n;
    const uint8_t *bytes;
    RDCT_TRY(rdct_cursor_varint(cursor, rule, 0, INT32_MAX, &n, err));
    span->at = cursor->pos;
    span->size = n;
    RDCT_TRY(rdct_cursor_take(cursor, n, &bytes, err));
    if (n > 0 && bytes[n - 1] == 0)
        return rdct_cursor_corrupt(cursor, 1, rule, "a range-coded section ends in a zero byte", err);
    return RDCT_OK;
}

static int read_tables_span(RdctCursor *cursor, RdctHeader *info, Span *span, RdctError *err) {
    span->at = cursor->pos;
    if (info->tables_by_id) {
        const uint8_t *id;
        RDCT_TRY(rdct_cursor_take(cursor, RDCT_ID_BYTES, &id, err));
        memcpy(info->id, id, RDCT_ID_BYTES);
    } else {
        RdctTableSection section;
        RDCT_TRY(rdct_table_section_read(cursor, info->levels, info->components, 1, &section, NULL, err));
    }
    span->size = cursor->pos - span->at;
    info->table_bytes = (int64_t)span->size;
    return RDCT_OK;
}

static int read_huffman_span(RdctCursor *cursor, RdctHeader *info, Span *span, RdctError *err) {
    const size_t start = cursor->pos;
    info->band = -1;
    if (info->entropy == RDCT_CONTEXT)
        return RDCT_OK;
    if (info->entropy == RDCT_HUFFMAN_FIXED) {
        uint8_t band;
        RDCT_TRY(rdct_cursor_u8(cursor, &band, err));
        info->band = band;
        if (band < BAND_INLINE && (!info->tables_by_id || band >= RDCT_MAX_BANDS))
            return rdct_cursor_corrupt(cursor, 1, "band", "the band of Huffman tables does not exist", err);
    }
    if (info->band == -1 || info->band == BAND_INLINE)
        RDCT_TRY(read_coded_span(cursor, "huffman_section", span, err));
    info->huffman_bytes = (int64_t)(cursor->pos - start);
    return RDCT_OK;
}

static int read_map_span(RdctCursor *cursor, RdctHeader *info, Structure *structure, RdctError *err) {
    const size_t start = cursor->pos;
    if (structure->map_coding != RDCT_MAP_FLAT) {
        RDCT_TRY(read_coded_span(cursor, "map_section", &structure->map, err));
        RdctRangeDecoder range;
        rdct_range_decoder_init(&range, cursor->data + structure->map.at, structure->map.size);
        info->has_skip = rdct_range_decode_raw(&range);
    } else {
        uint8_t level;
        RDCT_TRY(rdct_cursor_u8(cursor, &level, err));
        if (level >= info->levels && level != RDCT_SKIP)
            return rdct_cursor_corrupt(cursor, 1, "level", "the level of all regions does not exist", err);
        structure->map_level = level;
        info->has_skip = level == RDCT_SKIP;
    }
    info->map_bytes = (int64_t)(cursor->pos - start);
    return RDCT_OK;
}

static int read_refine_span(RdctCursor *cursor, RdctHeader *info, Span *span, RdctError *err) {
    const size_t start = cursor->pos;
    const uint8_t *hash;
    if (!info->refine)
        return RDCT_OK;
    RDCT_TRY(rdct_cursor_take(cursor, RDCT_ID_BYTES, &hash, err));
    memcpy(info->refine_hash, hash, RDCT_ID_BYTES);
    RDCT_TRY(read_coded_span(cursor, "refine_section", span, err));
    info->refine_bytes = (int64_t)(cursor->pos - start);
    return RDCT_OK;
}

/* entries NULL: check only. Offsets count from the first slice. */
static int read_index(RdctCursor *cursor, int slices, RdctSliceEntry *entries, int64_t *total, RdctError *err) {
    *total = 0;
    for (int i = 0; i < slices; i++) {
        uint32_t size, crc;
        RDCT_TRY(rdct_cursor_varint(cursor, "slice_size", 0, INT32_MAX, &size, err));
        RDCT_TRY(rdct_cursor_u32(cursor, &crc, err));
        if (entries) {
            entries[i].offset = *total;
            entries[i].size = size;
            entries[i].crc = crc;
        }
        *total += size;
    }
    return RDCT_OK;
}

static int read_structure(RdctCursor *cursor, RdctHeader *info, RdctLayout *layout, Structure *structure, RdctError *err) {
    uint32_t stored;
    RDCT_TRY(read_start(cursor, info, &structure->map_coding, err));
    RDCT_TRY(read_dimensions(cursor, info, layout, err));
    RDCT_TRY(read_tables_span(cursor, info, &structure->tables, err));
    RDCT_TRY(read_huffman_span(cursor, info, &structure->huffman, err));
    RDCT_TRY(read_map_span(cursor, info, structure, err));
    RDCT_TRY(read_refine_span(cursor, info, &structure->refine, err));
    structure->index_at = cursor->pos;
    RDCT_TRY(read_index(cursor, info->slices, NULL, &info->slice_bytes, err));
    info->index_bytes = (int64_t)(cursor->pos - structure->index_at);
    const uint32_t computed = rdct_header_crc(cursor->data, cursor->pos);
    RDCT_TRY(rdct_cursor_u32(cursor, &stored, err));
    if (stored != computed)
        return rdct_cursor_corrupt(cursor, 4, "header_crc", "its checksum does not match", err);
    info->header_bytes = (int64_t)cursor->pos;
    return RDCT_OK;
}

static const RdctTableSet *find_set(const RdctTableSet *const *sets, int set_count, const uint8_t *id) {
    for (int i = 0; i < set_count; i++)
        if (memcmp(sets[i]->id, id, RDCT_ID_BYTES) == 0)
            return sets[i];
    return NULL;
}

static int missing_set(const Structure *structure, const uint8_t *id, RdctError *err) {
    return rdct_fail_at(err, RDCT_ERR_ARGUMENT, "missing_table_set", (int64_t)structure->tables.at, -1,
                        "the stream needs the table set %s, which is not among those given", rdct_id_text(id).hex);
}

static int check_set(const RdctTableSet *set, const RdctHeader *info, const Structure *structure, RdctError *err) {
    if (set->levels != info->levels)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "levels", (int64_t)structure->tables.at, -1,
                            "the stream has %d levels, the table set it names has %d", info->levels, set->levels);
    if (info->band >= 0 && info->band < BAND_INLINE && info->band >= set->bands)
        return rdct_fail_at(err, RDCT_ERR_CORRUPT, "band", (int64_t)(structure->tables.at + structure->tables.size), -1,
                            "the stream uses band %d of a table set that has %d", info->band, set->bands);
    return RDCT_OK;
}

static int load_tables(RdctParsedHeader *parsed, const RdctCursor *whole, const Structure *structure, const RdctTableSet *set,
                       RdctError *err) {
    const RdctHeader *info = &parsed->info;
    const size_t n = (size_t)info->levels * 192;
    if (info->tables_by_id && !set)
        return RDCT_OK;
    parsed->tables = rdct_scratch_reserve(&parsed->scratch[0], n, sizeof *parsed->tables);
    if (!parsed->tables)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "out of memory for %d levels of tables", info->levels);
    if (set) {
        memcpy(parsed->tables, set->tables, n * sizeof *parsed->tables);
        return RDCT_OK;
    }
    RdctTableSection section;
    RdctCursor cursor = {whole->data, structure->tables.at + structure->tables.size, structure->tables.at};
    return rdct_table_section_read(&cursor, info->levels, info->components, 1, &section, parsed->tables, err);
}

static int check_section_end(const RdctRangeDecoder *range, const Span *span, const char *rule, RdctError *err) {
    if (rdct_range_decoder_at_end(range))
        return RDCT_OK;
    return rdct_fail_at(err, RDCT_ERR_CORRUPT, rule, (int64_t)span->at, -1, "a range-coded section is longer than its contents");
}

static int load_huffman(RdctParsedHeader *parsed, const RdctCursor *whole, const Structure *structure, const RdctTableSet *set,
                        RdctError *err) {
    const RdctHeader *info = &parsed->info;
    if (info->entropy == RDCT_CONTEXT)
        return RDCT_OK;
    if (info->band == BAND_ANNEX_K) {
        parsed->huffman = rdct_annex_k;
    } else if (info->band >= 0 && info->band < BAND_INLINE) {
        if (!set)
            return RDCT_OK;
        parsed->huffman = set->huffman[info->band];
        for (int table = 0; table < 4; table++)
            RDCT_TRY(rdct_huffman_check(parsed->huffman.lengths[table], table % 2 == 0, -1, err));
    } else {
        const Span *span = &structure->huffman;
        RdctRangeDecoder range;
        rdct_range_decoder_init(&range, whole->data + span->at, span->size);
        RDCT_TRY(rdct_huffman_read(&range, &parsed->huffman, info->components == 1 ? 2 : 4, (int64_t)span->at, err));
        RDCT_TRY(check_section_end(&range, span, "huffman_section", err));
    }
    return RDCT_OK;
}

static int load_map(RdctParsedHeader *parsed, const RdctCursor *whole, const Structure *structure, RdctError *err) {
    const int rows = parsed->layout.map_rows, cols = parsed->layout.map_cols;
    const size_t n = (size_t)rows * (size_t)cols;
    parsed->level_map = rdct_scratch_reserve(&parsed->scratch[1], n, 1);
    if (!parsed->level_map)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "out of memory for a level map of %d x %d", rows, cols);
    if (structure->map_coding == RDCT_MAP_FLAT) {
        memset(parsed->level_map, structure->map_level, n);
        return RDCT_OK;
    }
    RdctRangeDecoder range;
    rdct_range_decoder_init(&range, whole->data + structure->map.at, structure->map.size);
    rdct_level_map_read(&range, (RdctMapCoding)structure->map_coding, parsed->level_map, rows, cols, parsed->info.levels);
    return check_section_end(&range, &structure->map, "map_section", err);
}

static int load_modes(RdctParsedHeader *parsed, const RdctCursor *whole, const Structure *structure, RdctError *err) {
    const int rows = parsed->layout.map_rows, cols = parsed->layout.map_cols;
    if (!parsed->info.refine)
        return RDCT_OK;
    parsed->modes = rdct_scratch_reserve(&parsed->scratch[3], (size_t)rows * (size_t)cols, 1);
    if (!parsed->modes)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "out of memory for the modes of %d x %d regions", rows, cols);
    RdctRangeDecoder range;
    rdct_range_decoder_init(&range, whole->data + structure->refine.at, structure->refine.size);
    rdct_refine_map_read(&range, parsed->level_map, parsed->modes, rows, cols);
    return check_section_end(&range, &structure->refine, "refine_section", err);
}

static int load_index(RdctParsedHeader *parsed, const RdctCursor *whole, const Structure *structure, RdctError *err) {
    const int slices = parsed->info.slices;
    int64_t total;
    RdctCursor cursor = {whole->data, whole->size, structure->index_at};
    parsed->slices = rdct_scratch_reserve(&parsed->scratch[2], (size_t)slices, sizeof *parsed->slices);
    if (!parsed->slices)
        return rdct_fail(err, RDCT_ERR_MEMORY, "memory", "out of memory for an index of %d slices", slices);
    RDCT_TRY(read_index(&cursor, slices, parsed->slices, &total, err));
    for (int i = 0; i < slices; i++)
        parsed->slices[i].offset += parsed->info.header_bytes;
    return RDCT_OK;
}

static int load_contents(RdctParsedHeader *parsed, const RdctCursor *whole, const Structure *structure, const RdctTableSet *const *sets,
                         int set_count, int flags, RdctError *err) {
    const RdctTableSet *set = NULL;
    if (parsed->info.tables_by_id) {
        set = find_set(sets, set_count, parsed->info.id);
        if (!set && !(flags & RDCT_HEADER_ALLOW_MISSING_SET))
            return missing_set(structure, parsed->info.id, err);
        if (set)
            RDCT_TRY(check_set(set, &parsed->info, structure, err));
    }
    RDCT_TRY(load_tables(parsed, whole, structure, set, err));
    RDCT_TRY(load_huffman(parsed, whole, structure, set, err));
    if (!(flags & RDCT_HEADER_WITHOUT_MAP)) {
        RDCT_TRY(load_map(parsed, whole, structure, err));
        RDCT_TRY(load_modes(parsed, whole, structure, err));
    }
    return load_index(parsed, whole, structure, err);
}

int rdct_header_parse(RdctParsedHeader *parsed, const uint8_t *data, size_t size, const RdctTableSet *const *sets, int set_count, int flags,
                      int64_t max_pixels, RdctError *err) {
    RdctCursor cursor = {data, size, 0};
    Structure structure;
    memset(&structure, 0, sizeof structure);
    memset(parsed, 0, sizeof *parsed);
    parsed->info.format = RDCT_FORMAT_RDCT;
    RDCT_TRY(read_structure(&cursor, &parsed->info, &parsed->layout, &structure, err));
    const int64_t pixels = (int64_t)parsed->info.width * parsed->info.height;
    if (max_pixels > 0 && pixels > max_pixels)
        return rdct_fail_limit(err, RDCT_ERR_LIMIT, "max_pixels", max_pixels, pixels, "the picture has %lld pixels, the limit is %lld",
                               (long long)pixels, (long long)max_pixels);
    const int status = load_contents(parsed, &cursor, &structure, sets, set_count, flags, err);
    if (status != RDCT_OK)
        rdct_parsed_header_free(parsed);
    return status;
}

void rdct_parsed_header_free(RdctParsedHeader *parsed) {
    for (int i = 0; i < 4; i++)
        rdct_scratch_free(&parsed->scratch[i]);
    parsed->tables = NULL;
    parsed->level_map = NULL;
    parsed->modes = NULL;
    parsed->slices = NULL;
}
