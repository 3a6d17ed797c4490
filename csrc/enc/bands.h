/* SPDX-License-Identifier: Apache-2.0
 * Which fixed Huffman tables suit a picture: decided from symbols counted in a sample of its MCU rows. */
#ifndef RDCT_ENC_BANDS_H
#define RDCT_ENC_BANDS_H

#include "enc/symbols.h"
#include "rdct.h"

enum { RDCT_BAND_INLINE = 254, RDCT_BAND_ANNEX_K = 255 };

/* One MCU row in eight is sampled. Part of the format of the encoder's output: changing it changes bytes. */
int rdct_sample_rows(int mcu_rows);
int rdct_sample_row(int mcu_rows, int i);
int rdct_is_sample_row(int mcu_rows, int mcu_row);
int rdct_sample_index(int mcu_rows, int mcu_row); /* the i of a sampled row */

/* How tables reach the decoder: by number in a set it knows, coded in the header, or at the same cost whichever they are (JPEG). */
typedef enum RdctBandCost { RDCT_BAND_BY_ID, RDCT_BAND_CODED, RDCT_BAND_FREE } RdctBandCost;

/* tables: 4, or 2 for grey. Returns the band number for header and stats; *huffman points into set or at Annex K. */
int rdct_choose_band(const RdctTableSet *set, const RdctSymbolCounts *counts, int tables, RdctBandCost cost, int mcu_rows,
                     const RdctHuffmanLengths **huffman);

#endif
