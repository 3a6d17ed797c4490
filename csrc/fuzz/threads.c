/* SPDX-License-Identifier: Apache-2.0
 * Bytes choose a picture of many slices and the damage done to it. Promises, most of all under ThreadSanitizer: with 1 to 4 threads, in
 * contexts that are used again and again, and in two contexts at the same time, encoder and decoder give the same bytes, pixels, errors
 * and lost slices. */
#include <pthread.h>
#include <string.h>

#include "rdct.h"
#include "target.h"

enum { WIDTH = 40, HEIGHT = 128, MAX_BYTES = 1 << 17, MAX_SLICES = HEIGHT / 8, CONTEXTS = 4 };

/* What one context makes of the input. */
typedef struct Result {
    int encoded, decoded, decoded_roi, concealed;
    size_t size;
    RdctError why;
    RdctDamage damage;
    RdctLostSlice lost[MAX_SLICES];
    uint8_t stream[MAX_BYTES], pixels[WIDTH * HEIGHT * 3], part[WIDTH * HEIGHT * 3], shown[WIDTH * HEIGHT * 3];
} Result;

typedef struct Job {
    RdctContext *ctx;
    const uint8_t *data;
    size_t size;
    Result *result;
} Job;

static uint8_t at(const Job *job, size_t i) {
    return job->data[i % job->size];
}

static void encode(const Job *job) {
    Result *result = job->result;
    uint8_t pixels[WIDTH * HEIGHT * 3], map[HEIGHT / 8 * WIDTH / 8];
    uint16_t tables[2 * 192];
    RdctEncodeOptions options = {0};
    RdctEncodeStats stats;
    options.subsampling = at(job, 0) % 3;
    options.format = at(job, 2) % 4 == 0 ? RDCT_FORMAT_JPEG : RDCT_FORMAT_RDCT;
    options.entropy = at(job, 1) % (options.format == RDCT_FORMAT_JPEG ? 2 : 3);
    options.effort = at(job, 1) / 6 % (RDCT_MAX_EFFORT + 1);
    options.slice_rows = options.subsampling == RDCT_420 ? 2 : 1 + at(job, 3) % 2;
    FUZZ_REQUIRE(rdct_tables_ijg(80, tables, NULL) == RDCT_OK && rdct_tables_ijg(30, tables + 192, NULL) == RDCT_OK);
    for (size_t i = 0; i < sizeof map; i++)
        map[i] = options.format == RDCT_FORMAT_JPEG ? 0 : at(job, i) % 2;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(at(job, i) + i / 64);
    const RdctTableSet set = {{0}, 2, tables, NULL, NULL, 0, NULL};
    const RdctPlan plan = {&set, RDCT_SCALE_ONE, 1, map, HEIGHT / 8, WIDTH / 8};
    const RdctImage image = {pixels, WIDTH * 3, WIDTH, HEIGHT, 3};
    result->encoded = rdct_encode(job->ctx, &image, &plan, &options, &result->size, &stats, NULL);
    FUZZ_REQUIRE(result->encoded == RDCT_OK && result->size <= MAX_BYTES);
    FUZZ_REQUIRE(rdct_take_output(job->ctx, result->stream, MAX_BYTES, NULL) == RDCT_OK);
}

/* Lost slices that there is no room for are counted all the same. */
static void check_capacity(const Job *job, RdctDecodeOptions *options) {
    const Result *result = job->result;
    static _Thread_local uint8_t pixels[WIDTH * HEIGHT * 3];
    RdctLostSlice first;
    RdctDamage damage = {&first, 1, 0};
    options->damage = &damage;
    FUZZ_REQUIRE(rdct_decode(job->ctx, result->stream, result->size, options, pixels, WIDTH * 3, NULL) == RDCT_OK);
    FUZZ_REQUIRE(damage.count == result->damage.count && memcmp(pixels, result->shown, sizeof pixels) == 0);
    FUZZ_REQUIRE(damage.count == 0 || (first.why.slice == result->lost[0].why.slice && first.y1 == result->lost[0].y1));
}

static void *work(void *arg) {
    const Job *job = arg;
    Result *result = job->result;
    memset(result, 0, sizeof *result);
    encode(job);
    RdctHeader header;
    RdctDecodeOptions options = {0};
    options.max_pixels = FUZZ_MAX_PIXELS;
    FUZZ_REQUIRE(rdct_read_header(result->stream, result->size, &header, NULL) == RDCT_OK);
    result->decoded = rdct_decode(job->ctx, result->stream, result->size, &options, result->pixels, WIDTH * 3, NULL);
    FUZZ_REQUIRE(result->decoded == RDCT_OK);
    for (size_t i = (size_t)header.header_bytes; i < result->size; i += 1 + (size_t)at(job, i) * 4)
        result->stream[i] ^= at(job, i + 1); /* damage, the same in every context */
    result->decoded = rdct_decode(job->ctx, result->stream, result->size, &options, result->shown, WIDTH * 3, &result->why);
    options.roi[0] = 5;
    options.roi[1] = HEIGHT / 3;
    options.roi[2] = WIDTH - 3;
    options.roi[3] = HEIGHT;
    memset(result->shown, 0, sizeof result->shown); /* undefined after an error */
    result->damage = (RdctDamage){result->lost, MAX_SLICES, 0};
    options.damage = header.format == RDCT_FORMAT_JPEG ? NULL : &result->damage;
    result->decoded_roi = rdct_decode(job->ctx, result->stream, result->size, &options, result->part, WIDTH * 3, NULL);
    if (result->decoded_roi != RDCT_OK)
        memset(result->part, 0, sizeof result->part);
    if (options.damage != NULL) {
        memset(options.roi, 0, sizeof options.roi);
        result->concealed = rdct_decode(job->ctx, result->stream, result->size, &options, result->shown, WIDTH * 3, NULL);
        FUZZ_REQUIRE(result->concealed == RDCT_OK && (result->damage.count > 0) == (result->decoded != RDCT_OK));
        check_capacity(job, &options);
    }
    result->damage.lost = NULL; /* its address is no result */
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static RdctContext *contexts[CONTEXTS];
    static Result results[CONTEXTS];
    Job jobs[CONTEXTS];
    pthread_t beside;
    if (size == 0)
        return 0;
    for (int i = 0; i < CONTEXTS; i++) {
        if (contexts[i] == NULL)
            FUZZ_REQUIRE(rdct_context_create(1 + i, RDCT_CPU_AUTO, &contexts[i], NULL) == RDCT_OK);
        jobs[i] = (Job){contexts[i], data, size, &results[i]};
    }
    for (int i = 0; i < CONTEXTS; i += 2) {
        FUZZ_REQUIRE(pthread_create(&beside, NULL, work, &jobs[i]) == 0);
        (void)work(&jobs[i + 1]);
        FUZZ_REQUIRE(pthread_join(beside, NULL) == 0);
    }
    for (int i = 1; i < CONTEXTS; i++)
        FUZZ_REQUIRE(memcmp(&results[i], &results[0], sizeof results[0]) == 0);
    return 0;
}
