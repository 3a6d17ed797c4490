#!/usr/bin/env bash
# Build the harnesses with gcc under AddressSanitizer and UndefinedBehaviorSanitizer and replay the corpus through them.
# Under ThreadSanitizer those that have threads: csrc/fuzz/run.sh threads
# With libFuzzer instead: CC=clang SANITIZE=address,undefined,fuzzer csrc/fuzz/run.sh fuzz SECONDS [TARGET...]
set -euo pipefail
cd "$(dirname "$0")/../.."
mode=${1:-replay}
targets="decode header roundtrip refine transcode jpeg alloc_fail threads"
sanitize=${SANITIZE:-address,undefined}
if [ "$mode" = threads ]; then
    sanitize=thread targets="roundtrip threads"
elif [ "$mode" = fuzz ]; then
    targets=${*:3}
    targets=${targets:-decode header roundtrip refine transcode jpeg alloc_fail}
fi
cc=${CC:-gcc}
flags="-std=c11 -g -O1 -fno-omit-frame-pointer -fsanitize=$sanitize -fno-sanitize-recover=all -Wall -Wextra -Werror
    -D_GNU_SOURCE -Icsrc -Icsrc/include"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

export cc flags build
# shellcheck disable=SC2016
find csrc/common csrc/dsp csrc/stream csrc/enc csrc/dec -name '*.c' -print0 |
    xargs -0 -P 2 -I{} sh -c '$cc $flags -c "$1" -o "$build/$(echo "$1" | tr / -).o"' sh {}
for target in $targets; do
    runner=csrc/fuzz/runner.c
    case "$sanitize" in *fuzzer*) runner= ;; esac
    # shellcheck disable=SC2086
    "$cc" $flags "$build"/*.o "csrc/fuzz/$target.c" $runner -lpthread -o "$build/$target"
    if [ "$mode" = fuzz ]; then
        mkdir -p "$build/found-$target"
        "$build/$target" -max_total_time="${2:-60}" -max_len=8192 -artifact_prefix="fuzz-$target-" \
            "$build/found-$target" "csrc/fuzz/corpus/$target" 2>&1 | tail -n 3
    elif [ "$mode" = threads ]; then
        "$build/$target" -r 20 csrc/fuzz/corpus/"$target"/*
    else
        "$build/$target" csrc/fuzz/corpus/"$target"/*
    fi
done
