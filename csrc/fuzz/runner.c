/* SPDX-License-Identifier: Apache-2.0
 * Replays files through a harness: each whole, then each of its prefixes and single-byte changes at a stride that keeps a file to
 * a few hundred runs. With -r N each file as it is, N times: for a sanitizer that looks at threads, not inputs. Every input is copied to a block of its exact size, so that a sanitizer sees the first byte read past it. */
#include <string.h>

#include "target.h"

static long executions;

static void replay(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size > 0 ? size : 1);
    FUZZ_REQUIRE(exact != NULL);
    if (size > 0)
        memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    executions++;
}

static void replay_variants(uint8_t *data, size_t size) {
    static const uint8_t changes[] = {0x00, 0x0f, 0xf0, 0xff};
    const size_t stride = size / 128 + 1;
    for (size_t length = 0; length < size; length += stride)
        replay(data, length);
    for (size_t at = 0; at < size; at += stride) {
        const uint8_t kept = data[at];
        for (size_t i = 0; i < sizeof changes; i++) {
            data[at] = changes[i];
            replay(data, size);
        }
        data[at] = (uint8_t)(kept ^ 1);
        replay(data, size);
        data[at] = kept;
    }
}

int main(int argc, char **argv) {
    const int repeats = argc > 2 && strcmp(argv[1], "-r") == 0 ? atoi(argv[2]) : 0, first = repeats > 0 ? 3 : 1;
    for (int i = first; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");
        if (file == NULL) {
            perror(argv[i]);
            return 1;
        }
        static uint8_t data[1 << 20];
        const size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        for (int n = 0; n < repeats; n++)
            replay(data, size);
        if (repeats == 0) {
            replay(data, size);
            replay_variants(data, size);
        }
    }
    printf("%s: %d files, %ld executions\n", argv[0], argc - first, executions);
    return argc > first ? 0 : 2;
}
