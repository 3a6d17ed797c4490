/* SPDX-License-Identifier: Apache-2.0
 * One line a stream: checksums of all it decodes to, and of the streams its picture encodes to. Lines made with different
 * instruction sets, compilers or machines must not differ; $RDCT_CPU chooses the instruction set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dsp/dsp.h"
#include "rdct.h"

enum { MAX_PIXELS = 1 << 18 };

static void *allocate(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL) {
        fprintf(stderr, "no memory for %zu bytes\n", size);
        exit(2);
    }
    return memory;
}

static void print_picture(RdctContext *ctx, const uint8_t *data, size_t size, const RdctHeader *header, RdctDecodeOptions options,
                          const char *name, size_t sample) {
    const int whole = options.roi[2] == 0;
    const int wide = whole ? header->width : options.roi[2] - options.roi[0],
              high = whole ? header->height : options.roi[3] - options.roi[1];
    const size_t row = (size_t)wide * (size_t)header->components * sample;
    uint8_t *out = allocate(row * (size_t)high);
    const int status = rdct_decode(ctx, data, size, &options, out, (ptrdiff_t)row, NULL);
    printf(" %s %d %08x", name, status, (unsigned)rdct_crc32c(out, row * (size_t)high));
    free(out);
}

static void print_decoded(RdctContext *ctx, const uint8_t *data, size_t size, const RdctHeader *header, RdctDecodeOptions options) {
    static const char *const names[] = {"u8", "u16", "f32"};
    for (int type = RDCT_U8; type <= RDCT_F32; type++) {
        options.sample_type = type;
        print_picture(ctx, data, size, header, options, names[type], (size_t)1 << type);
    }
    options.sample_type = RDCT_U8;
    options.roi[0] = header->width / 3;
    options.roi[1] = header->height / 2;
    options.roi[2] = header->width;
    options.roi[3] = header->height;
    print_picture(ctx, data, size, header, options, "roi", 1);
}

/* With 4 levels dealt out over the picture, in every subsampling coded in every way and with every effort. */
static void print_encoded(RdctContext *ctx, const uint8_t *data, size_t size, const RdctHeader *header, const RdctDecodeOptions *options) {
    enum { LEVELS = 4 };
    static const int qualities[LEVELS] = {95, 75, 40, 8};
    uint16_t tables[LEVELS * 192];
    for (int i = 0; i < LEVELS; i++)
        rdct_tables_ijg(qualities[i], tables + 192 * i, NULL);
    const int wide = (header->width + 15) / 16, high = (header->height + 15) / 16;
    uint8_t *map = allocate((size_t)wide * (size_t)high);
    for (int i = 0; i < wide * high; i++)
        map[i] = i % 7 == 6 ? RDCT_SKIP : (uint8_t)(i % LEVELS);
    const RdctTableSet set = {{0}, LEVELS, tables, NULL, NULL, 0, NULL};
    const RdctPlan plan = {&set, RDCT_SCALE_ONE, 2, map, high, wide};
    const size_t row = (size_t)header->width * (size_t)header->components;
    uint8_t *pixels = allocate(row * (size_t)header->height);
    rdct_decode(ctx, data, size, options, pixels, (ptrdiff_t)row, NULL);
    const RdctImage image = {pixels, (ptrdiff_t)row, header->width, header->height, header->components};
    for (int subsampling = RDCT_444; subsampling <= RDCT_GREY; subsampling++) {
        if ((subsampling == RDCT_GREY) != (image.channels == 1))
            continue;
        for (int i = 0; i < 3 * (RDCT_MAX_EFFORT + 1); i++) {
            RdctEncodeOptions encode = {0};
            encode.subsampling = subsampling;
            encode.entropy = i % 3;
            encode.effort = i / 3;
            size_t bytes = 0;
            const int status = rdct_encode(ctx, &image, &plan, &encode, &bytes, NULL, NULL);
            uint8_t *stream = allocate(bytes + 1);
            if (status == RDCT_OK)
                rdct_take_output(ctx, stream, bytes, NULL);
            printf(" %d.%d.%d %d %08x", subsampling, encode.entropy, encode.effort, status, (unsigned)rdct_crc32c(stream, bytes));
            free(stream);
        }
    }
    free(pixels);
    free(map);
}

static int digest(RdctContext *ctx, const char *path) {
    static uint8_t data[1 << 20];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    const size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    printf("%s:", path);
    RdctHeader header;
    const int status = rdct_read_header(data, size, &header, NULL);
    if (status == RDCT_OK && (int64_t)header.width * header.height <= MAX_PIXELS) {
        RdctDecodeOptions options = {0};
        options.max_pixels = MAX_PIXELS;
        print_decoded(ctx, data, size, &header, options);
        print_encoded(ctx, data, size, &header, &options);
    } else {
        printf(" status %d", status);
    }
    printf("\n");
    return 0;
}

int main(int argc, char **argv) {
    RdctContext *ctx = NULL;
    RdctError err;
    if (rdct_context_create(1, RDCT_CPU_AUTO, &ctx, &err) != RDCT_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    fprintf(stderr, "%s: %d streams with %s\n", argv[0], argc - 1, rdct_context_cpu(ctx));
    int failed = argc < 2;
    for (int i = 1; i < argc; i++)
        failed |= digest(ctx, argv[i]);
    rdct_context_destroy(ctx);
    return failed;
}
