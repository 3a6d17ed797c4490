/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/huffman.h"

#include <string.h>

#include "common/status.h"

enum { DC_SYMBOLS = 12, AC_SYMBOLS = 162, MAX_AC_SIZE = 10 };

static int symbol_allowed(int symbol, int is_dc) {
    if (is_dc)
        return symbol < DC_SYMBOLS;
    const int size = symbol & 15;
    return symbol == 0x00 || symbol == 0xF0 || (size >= 1 && size <= MAX_AC_SIZE);
}

int rdct_huffman_check(const uint8_t *lengths, int is_dc, int64_t offset, RdctError *err) {
    const int status = offset < 0 ? RDCT_ERR_ARGUMENT : RDCT_ERR_CORRUPT;
    const char *kind = is_dc ? "DC" : "AC";
    uint32_t kraft = 0;
    for (int symbol = 0; symbol < 256; symbol++) {
        const int length = lengths[symbol];
        if (length == 0)
            continue;
        if (length > 16)
            return rdct_fail_at(err, status, "huffman_length", offset, -1, "the %s Huffman code of symbol %d has length %d, above 16", kind,
                                symbol, length);
        if (!symbol_allowed(symbol, is_dc))
            return rdct_fail_at(err, status, "huffman_symbol", offset, -1,
                                "a %s Huffman table gives a code to symbol %d, which cannot occur", kind, symbol);
        kraft += UINT32_C(1) << (16 - length);
    }
    if (kraft > 65535) /* 65536 would be a complete code, which uses the code of all ones */
        return rdct_fail_at(err, status, "huffman_oversubscribed", offset, -1,
                            "a %s Huffman table is over-subscribed or uses the code of all ones", kind);
    return RDCT_OK;
}

int rdct_huffman_decoder_init_counts(RdctHuffmanDecoder *decoder, const uint8_t *counts, const uint8_t *symbols) {
    uint32_t code = 0;
    int total = 0;
    memset(decoder, 0, sizeof *decoder);
    for (int length = 1; length <= 16; length++) {
        const int n = counts[length];
        code <<= 1;
        /* n codes must fit below the code of all ones, so nothing is ever written past `fast` or `symbols`. */
        if (code + (uint32_t)n > (UINT32_C(1) << length) - (n > 0) || total + n > 256) {
            memset(decoder, 0, sizeof *decoder);
            return 0;
        }
        decoder->offset[length] = total - (int32_t)code;
        for (int i = 0; i < n && length <= RDCT_HUFFMAN_FAST; i++) {
            const uint32_t span = UINT32_C(1) << (RDCT_HUFFMAN_FAST - length);
            for (uint32_t k = 0; k < span; k++)
                decoder->fast[(code + (uint32_t)i) * span + k] = (uint16_t)(length << 8 | symbols[total + i]);
        }
        total += n;
        code += (uint32_t)n;
        decoder->limit[length] = code << (16 - length);
    }
    decoder->limit[17] = UINT32_MAX;
    memcpy(decoder->symbols, symbols, (size_t)total);
    decoder->symbol_count = total;
    return 1;
}

void rdct_huffman_decoder_init(RdctHuffmanDecoder *decoder, const uint8_t *lengths) {
    uint8_t counts[17] = {0}, symbols[256];
    int total = 0;
    for (int length = 1; length <= 16; length++)
        for (int symbol = 0; symbol < 256; symbol++)
            if (lengths[symbol] == length) {
                counts[length]++;
                symbols[total++] = (uint8_t)symbol;
            }
    rdct_huffman_decoder_init_counts(decoder, counts, symbols);
}

/* i-th AC symbol in the order of section 4. */
static int ac_symbol(int i) {
    if (i < 2)
        return i == 0 ? 0x00 : 0xF0;
    return (i - 2) / MAX_AC_SIZE * 16 + (i - 2) % MAX_AC_SIZE + 1;
}

static int predict_dc(const uint8_t *lengths, int symbol) {
    return symbol == 0 ? 3 : lengths[symbol - 1];
}

static int predict_ac(const uint8_t *lengths, int symbol) {
    const int run = symbol >> 4, size = symbol & 15;
    if (size == 0)
        return run == 0 ? 4 : 11;
    if (run == 0)
        return size == 1 ? 2 : lengths[symbol - 1];
    const int a = lengths[symbol - 16], b = size == 1 ? 0 : lengths[symbol - 1];
    if (size == 1)
        return a;
    return a && b ? (a + b + 1) >> 1 : a + b;
}

static int context_set(int prediction, int is_dc) {
    const int set = prediction == 0 ? 0 : prediction < 8 ? 1 : prediction < 14 ? 2 : 3;
    return is_dc ? 4 + set : set;
}

void rdct_huffman_write(RdctRangeEncoder *range, const RdctHuffmanLengths *lengths, int tables) {
    RdctResidualModel model;
    rdct_residual_model_init(&model);
    for (int table = 0; table < tables; table++) {
        const uint8_t *values = lengths->lengths[table];
        const int is_dc = table % 2 == 0, symbols = is_dc ? DC_SYMBOLS : AC_SYMBOLS;
        for (int i = 0; i < symbols; i++) {
            const int symbol = is_dc ? i : ac_symbol(i);
            const int prediction = is_dc ? predict_dc(values, symbol) : predict_ac(values, symbol);
            rdct_residual_encode(range, &model, context_set(prediction, is_dc), prediction, 0, 16, values[symbol]);
        }
    }
}

int rdct_huffman_read(RdctRangeDecoder *range, RdctHuffmanLengths *lengths, int tables, int64_t offset, RdctError *err) {
    RdctResidualModel model;
    rdct_residual_model_init(&model);
    memset(lengths, 0, sizeof *lengths);
    for (int table = 0; table < tables; table++) {
        uint8_t *values = lengths->lengths[table];
        const int is_dc = table % 2 == 0, symbols = is_dc ? DC_SYMBOLS : AC_SYMBOLS;
        for (int i = 0; i < symbols; i++) {
            const int symbol = is_dc ? i : ac_symbol(i);
            const int prediction = is_dc ? predict_dc(values, symbol) : predict_ac(values, symbol);
            values[symbol] = (uint8_t)rdct_residual_decode(range, &model, context_set(prediction, is_dc), prediction, 0, 16);
        }
        RDCT_TRY(rdct_huffman_check(values, is_dc, offset, err));
    }
    return RDCT_OK;
}
