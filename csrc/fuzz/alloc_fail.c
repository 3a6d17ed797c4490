/* SPDX-License-Identifier: Apache-2.0
 * The first byte says which allocation fails, the rest is a stream. Promises: RDCT_ERR_MEMORY or success, nothing leaks, and the
 * context works again afterwards. */
#include "common/mem.h"
#include "rdct.h"
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1)
        return 0;
    const int64_t failing = 1 + data[0] % 24;
    data++;
    size--;
    RdctHeader header;
    if (rdct_read_header(data, size, &header, NULL) != RDCT_OK || (int64_t)header.width * header.height > FUZZ_MAX_PIXELS)
        return 0;
    const size_t row = (size_t)header.width * (size_t)header.components;
    uint8_t *out = malloc(row * (size_t)header.height);
    FUZZ_REQUIRE(out != NULL);
    RdctDecodeOptions options = {0};
    options.max_pixels = FUZZ_MAX_PIXELS;
    RdctContext *ctx = NULL;
    rdct_mem_fail_after(failing);
    int status = rdct_context_create(1, RDCT_CPU_AUTO, &ctx, NULL);
    if (status == RDCT_OK) {
        status = rdct_decode(ctx, data, size, &options, out, (ptrdiff_t)row, NULL);
        rdct_mem_fail_after(0);
        const int again = rdct_decode(ctx, data, size, &options, out, (ptrdiff_t)row, NULL);
        FUZZ_REQUIRE(again != RDCT_ERR_MEMORY);
        FUZZ_REQUIRE(status == again || status == RDCT_ERR_MEMORY);
        if (again == RDCT_OK) { /* and the encoder, on the picture just decoded */
            uint8_t map[64];
            uint16_t tables[2 * 192];
            size_t bytes = 0;
            FUZZ_REQUIRE(rdct_tables_ijg(50, tables, NULL) == RDCT_OK && rdct_tables_ijg(90, tables + 192, NULL) == RDCT_OK);
            for (int i = 0; i < 64; i++)
                map[i] = (uint8_t)(i % 2);
            const RdctImage image = {out, (ptrdiff_t)row, header.width < 64 ? header.width : 64, header.height < 64 ? header.height : 64,
                                     header.components};
            const RdctTableSet set = {{0}, 2, tables, NULL, NULL, 0, NULL};
            const RdctPlan plan = {&set, RDCT_SCALE_ONE, 1, map, (image.height + 7) / 8, (image.width + 7) / 8};
            RdctEncodeOptions encode = {0};
            encode.format = failing % 2 ? RDCT_FORMAT_JPEG : RDCT_FORMAT_RDCT;
            encode.entropy = failing % 2 || header.format == RDCT_FORMAT_JPEG ? RDCT_HUFFMAN : header.entropy;
            encode.subsampling = header.components == 1 ? RDCT_GREY : RDCT_420;
            RdctContext *fresh = NULL;
            FUZZ_REQUIRE(rdct_context_create(1, RDCT_CPU_AUTO, &fresh, NULL) == RDCT_OK);
            rdct_mem_fail_after(failing);
            status = rdct_encode(fresh, &image, &plan, &encode, &bytes, NULL, NULL);
            rdct_mem_fail_after(0);
            FUZZ_REQUIRE(status == RDCT_OK || status == RDCT_ERR_MEMORY);
            FUZZ_REQUIRE(rdct_encode(fresh, &image, &plan, &encode, &bytes, NULL, NULL) == RDCT_OK);
            rdct_context_destroy(fresh);
        }
    } else {
        rdct_mem_fail_after(0);
        FUZZ_REQUIRE(status == RDCT_ERR_MEMORY && ctx == NULL);
    }
    rdct_context_destroy(ctx);
    free(out);
    return 0;
}
