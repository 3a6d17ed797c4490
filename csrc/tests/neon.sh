#!/usr/bin/env bash
# Test the NEON kernels on a machine of another kind: cross-compile, and run under qemu. Every kernel must equal the scalar
# reference; streams and pictures made with NEON, without it, and by this machine's own compiler must not differ.
# Needs aarch64-linux-gnu-gcc and qemu-aarch64 (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user).
# With clang: CROSS="clang --target=aarch64-linux-gnu" csrc/tests/neon.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
cross=${CROSS:-aarch64-linux-gnu-gcc}
run=${RUN:-qemu-aarch64 -L /usr/aarch64-linux-gnu}
for tool in ${cross%% *} ${run%% *} "${CC:-gcc}"; do
    if ! command -v "$tool" > /dev/null; then
        echo "neon.sh: needs $tool, which is not here (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user)" >&2
        exit 2
    fi
done
if [ ! -d csrc/fuzz/corpus/decode ]; then
    echo "neon.sh: needs the streams in csrc/fuzz/corpus/decode, which source archives leave out: use a checkout" >&2
    exit 2
fi
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
core=$(find csrc/common csrc/dsp csrc/stream csrc/enc csrc/dec -name '*.c')
flags="-std=c11 -O3 -Wall -Wextra -Wshadow -Wconversion -Werror -Icsrc -Icsrc/include"
# shellcheck disable=SC2086
$cross $flags $core csrc/tests/kernels.c csrc/tests/checkasm.c -lpthread -o "$build/kernels"
# shellcheck disable=SC2086
$cross $flags $core csrc/tests/digest.c -lpthread -o "$build/digest"
# shellcheck disable=SC2086
"${CC:-gcc}" $flags $core csrc/tests/digest.c -lpthread -o "$build/digest-here"

$run "$build/kernels" neon
RDCT_CPU=neon $run "$build/digest" csrc/fuzz/corpus/decode/* > "$build/neon"
RDCT_CPU=c $run "$build/digest" csrc/fuzz/corpus/decode/* > "$build/c"
"$build/digest-here" csrc/fuzz/corpus/decode/* > "$build/here"
cmp "$build/neon" "$build/c"
cmp "$build/neon" "$build/here"
echo "neon.sh: $(wc -l < "$build/neon") streams, the same with NEON, without it, and here"
