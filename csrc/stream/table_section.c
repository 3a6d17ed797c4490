/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/table_section.h"

#include <string.h>

#include "common/status.h"
#include "common/tables.h"

/* 0, -1, 1, -2, ... <-> 0, 1, 2, 3, ... */
static uint32_t fold(int value) {
    return value < 0 ? (uint32_t)(-2 * value - 1) : (uint32_t)(2 * value);
}

static int unfold(uint32_t folded) {
    return folded & 1 ? -(int)((folded + 1) / 2) : (int)(folded / 2);
}

static int read_explicit(RdctCursor *cursor, int levels, int components, uint16_t *tables, RdctError *err) {
    uint16_t steps[3][64] = {{0}}; /* of the level before */
    for (int level = 0; level < levels; level++) {
        for (int component = 0; component < components; component++)
            for (int i = 0; i < 64; i++) {
                const size_t start = cursor->pos;
                uint32_t coded;
                int step;
                RDCT_TRY(rdct_cursor_varint(cursor, "step", level == 0, 2 * RDCT_MAX_STEP, &coded, err));
                step = level == 0 ? (int)coded : steps[component][rdct_zigzag[i]] + unfold(coded);
                if (step < 1 || step > RDCT_MAX_STEP)
                    return rdct_cursor_corrupt(cursor, cursor->pos - start, "step", "a quantisation step is outside 1..4095", err);
                steps[component][rdct_zigzag[i]] = (uint16_t)step;
            }
        if (components == 1) {
            memcpy(steps[1], steps[0], sizeof steps[0]);
            memcpy(steps[2], steps[0], sizeof steps[0]);
        }
        if (tables)
            memcpy(tables + (size_t)level * 192, steps, sizeof steps);
    }
    return RDCT_OK;
}

static int read_log(RdctCursor *cursor, int levels, int components, RdctTableSection *section, uint16_t *tables, RdctError *err) {
    const uint8_t *bytes;
    RDCT_TRY(rdct_cursor_take(cursor, (size_t)(64 * components + levels), &bytes, err));
    for (int component = 0; component < 3; component++)
        for (int i = 0; i < 64; i++)
            section->log_base[component][rdct_zigzag[i]] = bytes[(component < components ? component : 0) * 64 + i];
    for (int level = 0; level < levels; level++)
        section->log_offset[level] = (int8_t)bytes[64 * components + level];
    return tables ? rdct_tables_from_log(&section->log_base[0][0], section->log_offset, levels, tables, err) : RDCT_OK;
}

static int read_ijg(RdctCursor *cursor, int levels, int components, RdctTableSection *section, uint16_t *tables, RdctError *err) {
    uint8_t quality;
    if (levels != 1)
        return rdct_cursor_corrupt(cursor, 1, "table_form", "tables of form 2 need exactly one level", err);
    RDCT_TRY(rdct_cursor_u8(cursor, &quality, err));
    if (quality < 1 || quality > 100)
        return rdct_cursor_corrupt(cursor, 1, "ijg_quality", "the quality of tables of form 2 is outside 1..100", err);
    section->quality = quality;
    if (!tables)
        return RDCT_OK;
    RDCT_TRY(rdct_tables_ijg(quality, tables, err));
    if (components == 1) {
        memcpy(tables + 64, tables, 64 * sizeof *tables);
        memcpy(tables + 128, tables, 64 * sizeof *tables);
    }
    return RDCT_OK;
}

int rdct_table_section_read(RdctCursor *cursor, int levels, int components, int allow_ijg, RdctTableSection *section, uint16_t *tables,
                            RdctError *err) {
    uint8_t form;
    memset(section, 0, sizeof *section);
    RDCT_TRY(rdct_cursor_u8(cursor, &form, err));
    section->form = form;
    if (form == RDCT_FORM_EXPLICIT)
        return read_explicit(cursor, levels, components, tables, err);
    if (form == RDCT_FORM_LOG)
        return read_log(cursor, levels, components, section, tables, err);
    if (form == RDCT_FORM_IJG && allow_ijg)
        return read_ijg(cursor, levels, components, section, tables, err);
    return rdct_cursor_corrupt(cursor, 1, "table_form", "the form of the quantisation tables is unknown", err);
}

/* Quality whose tables equal the first n entries, or 0. */
static int find_ijg_quality(const uint16_t *tables, size_t n) {
    uint16_t candidate[192];
    for (int quality = 1; quality <= 100; quality++)
        if (rdct_tables_ijg(quality, candidate, NULL) == RDCT_OK && memcmp(candidate, tables, n * sizeof *tables) == 0)
            return quality;
    return 0;
}

int rdct_table_section_form(const RdctTableSet *set, int components, int allow_ijg, int *form, int *quality, RdctError *err) {
    const size_t n = (size_t)set->levels * 192;
    for (size_t i = 0; i < n; i++)
        if (set->tables[i] < 1 || set->tables[i] > RDCT_MAX_STEP)
            return rdct_fail(err, RDCT_ERR_ARGUMENT, "step", "a quantisation step of the table set is %d, outside 1..%d", set->tables[i],
                             RDCT_MAX_STEP);
    *form = RDCT_FORM_EXPLICIT;
    *quality = allow_ijg && set->levels == 1 ? find_ijg_quality(set->tables, 64 * (size_t)components) : 0;
    if (*quality > 0) {
        *form = RDCT_FORM_IJG;
    } else if (set->log_base && set->log_offset) {
        uint16_t tables[RDCT_MAX_LEVELS * 192];
        RDCT_TRY(rdct_tables_from_log(set->log_base, set->log_offset, set->levels, tables, err));
        if (memcmp(tables, set->tables, n * sizeof *tables) != 0)
            return rdct_fail(err, RDCT_ERR_ARGUMENT, "log_form", "the table set's logarithmic form does not give its tables");
        *form = RDCT_FORM_LOG;
    }
    return RDCT_OK;
}

static void write_explicit(RdctSink *sink, const RdctTableSet *set, int components) {
    for (int level = 0; level < set->levels; level++)
        for (int component = 0; component < components; component++) {
            const uint16_t *steps = set->tables + ((size_t)level * 3 + (size_t)component) * 64;
            for (int i = 0; i < 64; i++) {
                const int step = steps[rdct_zigzag[i]];
                rdct_sink_varint(sink, level == 0 ? (uint32_t)step : fold(step - (steps - 192)[rdct_zigzag[i]]));
            }
        }
}

static void write_log(RdctSink *sink, const RdctTableSet *set, int components) {
    for (int component = 0; component < components; component++)
        for (int i = 0; i < 64; i++)
            rdct_sink_u8(sink, set->log_base[component * 64 + rdct_zigzag[i]]);
    for (int level = 0; level < set->levels; level++)
        rdct_sink_u8(sink, (uint8_t)set->log_offset[level]);
}

void rdct_table_section_write(RdctSink *sink, const RdctTableSet *set, int components, int form, int quality) {
    rdct_sink_u8(sink, form);
    if (form == RDCT_FORM_EXPLICIT)
        write_explicit(sink, set, components);
    else if (form == RDCT_FORM_LOG)
        write_log(sink, set, components);
    else
        rdct_sink_u8(sink, quality);
}
