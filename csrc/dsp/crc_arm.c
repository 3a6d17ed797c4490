/* SPDX-License-Identifier: Apache-2.0 */
#include "dsp/cpu.h"
#if RDCT_HAVE_NEON

#include <string.h>

#include "dsp/variants.h"

/* In words of the assembler, because compilers disagree on how a single function asks for an extension. */
static inline uint32_t crc32cx(uint32_t crc, uint64_t word) {
    __asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
    return crc;
}

static inline uint32_t crc32cb(uint32_t crc, uint32_t byte) {
    __asm__(".arch_extension crc\n\tcrc32cb %w0, %w0, %w1" : "+r"(crc) : "r"(byte));
    return crc;
}

uint32_t rdct_crc32c_arm(const uint8_t *data, size_t size) {
    uint32_t crc = UINT32_MAX;
    for (; size >= 8; size -= 8, data += 8) {
        uint64_t word;
        memcpy(&word, data, sizeof word);
        crc = crc32cx(crc, word);
    }
    for (; size > 0; size--)
        crc = crc32cb(crc, *data++);
    return ~crc;
}

#endif
