/* SPDX-License-Identifier: Apache-2.0 */
#include "dsp/cpu.h"
#if RDCT_HAVE_X86

#include <nmmintrin.h>
#include <string.h>

#include "dsp/variants.h"

__attribute__((target("sse4.2"))) uint32_t rdct_crc32c_sse42(const uint8_t *data, size_t size) {
    uint64_t crc = UINT32_MAX;
    for (; size >= 8; size -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        crc = _mm_crc32_u64(crc, word);
    }
    uint32_t rest = (uint32_t)crc;
    for (; size > 0; size--)
        rest = _mm_crc32_u8(rest, *data++);
    return ~rest;
}

#endif
