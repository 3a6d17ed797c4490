/* SPDX-License-Identifier: Apache-2.0
 * Quantisation tables as bytes: the `form` byte and its contents (docs/bitstream.md, section 3), in stream headers and in the canonical
 * bytes of a table set. */
#ifndef RDCT_STREAM_TABLE_SECTION_H
#define RDCT_STREAM_TABLE_SECTION_H

#include "stream/cursor.h"

enum { RDCT_FORM_EXPLICIT = 0, RDCT_FORM_LOG = 1, RDCT_FORM_IJG = 2 };

/* What a section said beyond the tables themselves. */
typedef struct RdctTableSection {
    int form;
    int quality;                        /* form 2 */
    uint8_t log_base[3][64];            /* form 1, natural order */
    int8_t log_offset[RDCT_MAX_LEVELS]; /* form 1 */
} RdctTableSection;

/* components 3, or 1: luma only, and the other components then get the luma table. tables: u16 [levels][3][64] or NULL to check only. */
int rdct_table_section_read(RdctCursor *cursor, int levels, int components, int allow_ijg, RdctTableSection *section, uint16_t *tables,
                            RdctError *err);

/* The shortest form that says the set: IJG if allowed and equal, logarithmic if the set has it, else explicit. *quality is 1..100 for IJG.
 * Refuses steps outside 1..RDCT_MAX_STEP and a logarithmic form that does not give the set's tables. */
int rdct_table_section_form(const RdctTableSet *set, int components, int allow_ijg, int *form, int *quality, RdctError *err);
void rdct_table_section_write(RdctSink *sink, const RdctTableSet *set, int components, int form, int quality);

#endif
