/* SPDX-License-Identifier: Apache-2.0
 * Made by csrc/stream/train_level_map.py; part of the format (docs/bitstream.md, section 5). */
#ifndef RDCT_STREAM_LEVEL_MAP_DEFAULTS_H
#define RDCT_STREAM_LEVEL_MAP_DEFAULTS_H

#include <stdint.h>

/* Of 256, the probability of a 0 at first. */
static const uint8_t start_differs[8][2] = {
    {60, 78}, {73, 75}, {70, 67}, {59, 58}, {42, 45}, {128, 160}, {128, 197}, {163, 160},
};
static const uint8_t start_below[5][4] = {
    {118, 146, 176, 212}, {91, 112, 154, 171}, {97, 119, 142, 163}, {106, 125, 142, 162}, {114, 127, 136, 134},
};
static const uint8_t start_more[8][5] = {
    {100, 113, 114, 113, 109}, {150, 158, 158, 148, 163}, {150, 170, 166, 177, 146}, {128, 152, 163, 170, 138},
    {92, 105, 123, 127, 107},  {128, 85, 85, 85, 73},     {123, 125, 144, 66, 121},  {137, 178, 163, 154, 171},
};

#endif
