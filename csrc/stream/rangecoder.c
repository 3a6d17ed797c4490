/* SPDX-License-Identifier: Apache-2.0 */
#include "stream/rangecoder.h"

enum { P_HALF = 1 << 15, P_MIN = 64, FAST_SHIFT = 4, SLOW_SHIFT = 6, UNARY_CONTEXTS = 3, KNOWN_COUNT = 4 };
#define RANGE_MIN (UINT32_C(1) << 24)

void rdct_bit_model_init(RdctBitModel *model) {
    model->fast = P_HALF;
    model->slow = P_HALF;
    model->count = 0;
}

void rdct_bit_model_init_known(RdctBitModel *model, int zeros) {
    model->fast = model->slow = (uint16_t)(zeros << 8);
    model->count = KNOWN_COUNT;
}

void rdct_residual_model_init(RdctResidualModel *model) {
    for (int set = 0; set < RDCT_RESIDUAL_SETS; set++)
        for (int i = 0; i < RDCT_RESIDUAL_CONTEXTS; i++)
            rdct_bit_model_init(&model->bit[set][i]);
}

/* Probability, out of 2^16, that the next bit is 0. */
static uint32_t probability(const RdctBitModel *model) {
    const uint32_t p = ((uint32_t)model->fast + model->slow) >> 1;
    return p < P_MIN ? P_MIN : p > 65536 - P_MIN ? 65536 - P_MIN : p;
}

static uint16_t approach(uint16_t estimate, int target, int shift) {
    return (uint16_t)(estimate + ((target - estimate) >> shift));
}

static void adapt(RdctBitModel *model, int bit) {
    const int target = bit ? 0 : 65535;
    const int n = model->count + 1; /* a young context takes the mean of what it saw, an old one forgets */
    model->fast = approach(model->fast, target, n < FAST_SHIFT ? n : FAST_SHIFT);
    model->slow = approach(model->slow, target, n < SLOW_SHIFT ? n : SLOW_SHIFT);
    if (model->count < SLOW_SHIFT)
        model->count++;
}

void rdct_range_encoder_init(RdctRangeEncoder *encoder, uint8_t *out, size_t capacity) {
    encoder->low = 0;
    encoder->range = UINT32_MAX;
    encoder->out = out;
    encoder->size = 0;
    encoder->capacity = capacity;
    encoder->overflow = 0;
}

static void put_byte(RdctRangeEncoder *encoder, uint8_t byte) {
    if (encoder->size == encoder->capacity)
        encoder->overflow = 1;
    else
        encoder->out[encoder->size++] = byte;
}

/* Bit 32 of low is one unit of the last byte made. It cannot run off the front: the first interval is below 2^32. */
static void propagate_carry(RdctRangeEncoder *encoder) {
    if (!(encoder->low >> 32))
        return;
    encoder->low &= UINT32_MAX;
    if (encoder->overflow)
        return;
    for (size_t i = encoder->size; i-- > 0;)
        if (++encoder->out[i] != 0)
            break;
}

static void encode(RdctRangeEncoder *encoder, uint32_t p, int bit) {
    const uint32_t bound = (encoder->range >> 16) * p;
    if (bit) {
        encoder->low += bound;
        encoder->range -= bound;
        propagate_carry(encoder);
    } else {
        encoder->range = bound;
    }
    while (encoder->range < RANGE_MIN) {
        put_byte(encoder, (uint8_t)(encoder->low >> 24));
        encoder->low = (encoder->low << 8) & UINT32_MAX;
        encoder->range <<= 8;
    }
}

void rdct_range_encode(RdctRangeEncoder *encoder, RdctBitModel *model, int bit) {
    encode(encoder, probability(model), bit);
    adapt(model, bit);
}

void rdct_range_encode_raw(RdctRangeEncoder *encoder, int bit) {
    encode(encoder, P_HALF, bit);
}

size_t rdct_range_encoder_finish(RdctRangeEncoder *encoder) {
    /* The value in [low, low + range) with the most trailing zero bytes: the reader supplies those itself. */
    for (int bytes = 0; bytes <= 4; bytes++) {
        const uint64_t mask = bytes == 4 ? 0 : UINT32_MAX >> (8 * bytes);
        const uint64_t value = (encoder->low + mask) & ~mask;
        if (value >= encoder->low + encoder->range)
            continue;
        encoder->low = value;
        propagate_carry(encoder);
        for (int i = 0; i < bytes; i++)
            put_byte(encoder, (uint8_t)(encoder->low >> (24 - 8 * i)));
        break;
    }
    while (!encoder->overflow && encoder->size > 0 && encoder->out[encoder->size - 1] == 0)
        encoder->size--;
    return encoder->size;
}

static uint32_t next_byte(RdctRangeDecoder *decoder) {

    return decoder->next < decoder->end ? *decoder->next++ : 0;
}

void rdct_range_decoder_init(RdctRangeDecoder *decoder, const uint8_t *data, size_t size) {
    decoder->range = UINT32_MAX;
    decoder->code = 0;
    decoder->next = data;
    decoder->end = data + size;

    for (int i = 0; i < 4; i++)
        decoder->code = decoder->code << 8 | next_byte(decoder);
}

static int decode(RdctRangeDecoder *decoder, uint32_t p) {
    const uint32_t bound = (decoder->range >> 16) * p;
    const int bit = decoder->code >= bound;
    if (bit) {
        decoder->code -= bound;
        decoder->range -= bound;
    } else {
        decoder->range = bound;
    }
    while (decoder->range < RANGE_MIN) {
        decoder->code = decoder->code << 8 | next_byte(decoder);
        decoder->range <<= 8;
    }
    return bit;
}

int rdct_range_decode(RdctRangeDecoder *decoder, RdctBitModel *model) {
    const int bit = decode(decoder, probability(model));
    adapt(model, bit);
    return bit;
}

int rdct_range_decode_raw(RdctRangeDecoder *decoder) {
    return decode(decoder, P_HALF);
}

int rdct_range_decoder_at_end(const RdctRangeDecoder *decoder) {
    return decoder->next == decoder->end;
}

static int clamp_prediction(int prediction, int low, int high) {
    return prediction < low ? low : prediction > high ? high : prediction;
}

static RdctBitModel *more_context(const RdctResidualContexts *contexts, int k) {
    return &contexts->more[k < contexts->more_count - 1 ? k : contexts->more_count - 1];
}

void rdct_residual_encode_in(RdctRangeEncoder *encoder, const RdctResidualContexts *contexts, int prediction, int low, int high,
                             int value) {
    const int p = clamp_prediction(prediction, low, high);
    if (low == high)
        return;
    rdct_range_encode(encoder, contexts->differs, value != p);
    if (value == p)
        return;
    const int down = value < p;
    if (low < p && p < high)
        rdct_range_encode(encoder, contexts->below, down);
    const int magnitude = down ? p - value : value - p, limit = down ? p - low : high - p;
    for (int k = 0; k + 1 < limit; k++) {
        const int more = k + 1 < magnitude;
        rdct_range_encode(encoder, more_context(contexts, k), more);
        if (!more)
            break;
    }
}

int rdct_residual_decode_in(RdctRangeDecoder *decoder, const RdctResidualContexts *contexts, int prediction, int low, int high) {
    const int p = clamp_prediction(prediction, low, high);
    if (low == high || !rdct_range_decode(decoder, contexts->differs))
        return p;
    const int down = p == high || (p > low && rdct_range_decode(decoder, contexts->below));
    const int limit = down ? p - low : high - p;
    int magnitude = 1;
    while (magnitude < limit && rdct_range_decode(decoder, more_context(contexts, magnitude - 1)))
        magnitude++;
    return down ? p - magnitude : p + magnitude;
}

RdctResidualContexts rdct_residual_contexts(RdctResidualModel *model, int set) {
    RdctBitModel *bits = model->bit[set];
    return (RdctResidualContexts){&bits[0], &bits[1], &bits[2], UNARY_CONTEXTS};
}

void rdct_residual_encode(RdctRangeEncoder *encoder, RdctResidualModel *model, int set, int prediction, int low, int high, int value) {
    const RdctResidualContexts contexts = rdct_residual_contexts(model, set);
    rdct_residual_encode_in(encoder, &contexts, prediction, low, high, value);
}

int rdct_residual_decode(RdctRangeDecoder *decoder, RdctResidualModel *model, int set, int prediction, int low, int high) {
    const RdctResidualContexts contexts = rdct_residual_contexts(model, set);
    return rdct_residual_decode_in(decoder, &contexts, prediction, low, high);
}
