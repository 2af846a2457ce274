#!/usr/bin/env bash
# Runs every fuzz target for FUZZ_SECONDS (60 unless set). Needs a C++ compiler; cargo-fuzz is built once, into the cache.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
require g++ 'command -v c++'

export PATH=$cache/tools/bin:$PATH
if ! command -v cargo-fuzz >/dev/null; then
    say "building cargo-fuzz once, into $cache/tools"
    CARGO_TARGET_DIR=$cache/tools/build cargo install cargo-fuzz --version 0.13.1 --locked --debug --quiet --root "$cache/tools"
    rm -rf "$cache/tools/build"
fi
# The sanitizers are flags that only a nightly compiler takes; a stable one takes them when told that it may.
export RUSTC_BOOTSTRAP=1
targets=${FUZZ_TARGET:-$(cargo fuzz list)}
for target in $targets; do
    say "fuzzing $target for ${FUZZ_SECONDS:-60} s"
    cargo fuzz run "$target" -- -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=2048
done
