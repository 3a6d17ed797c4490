#!/usr/bin/env bash
# Build every harness with gcc under AddressSanitizer and UndefinedBehaviorSanitizer and replay the corpus through it.
# With libFuzzer instead: CC=clang SANITIZE=address,undefined,fuzzer csrc/fuzz/run.sh fuzz SECONDS
set -euo pipefail
cd "$(dirname "$0")/../.."
cc=${CC:-gcc}
sanitize=${SANITIZE:-address,undefined}
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
core=$(find csrc/common csrc/dsp csrc/stream csrc/enc csrc/dec -name '*.c')
for target in decode header roundtrip refine alloc_fail; do
    runner=csrc/fuzz/runner.c
    case "$sanitize" in *fuzzer*) runner= ;; esac
    # shellcheck disable=SC2086
    "$cc" -std=c11 -g -O1 -fno-omit-frame-pointer -fsanitize="$sanitize" -fno-sanitize-recover=all -Wall -Wextra -Werror \
        -D_GNU_SOURCE -Icsrc -Icsrc/include $core "csrc/fuzz/$target.c" $runner -lpthread -o "$build/$target"
    if [ "${1:-}" = fuzz ]; then
        mkdir -p "$build/found-$target"
        "$build/$target" -max_total_time="${2:-60}" -max_len=8192 -artifact_prefix="fuzz-$target-" \
            "$build/found-$target" "csrc/fuzz/corpus/$target" 2>&1 | tail -n 3
    else
        "$build/$target" csrc/fuzz/corpus/"$target"/*
    fi
done
