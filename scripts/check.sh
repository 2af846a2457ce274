#!/usr/bin/env bash
# All that can be said without running a test. Goes on after a failure, so that one run tells everything.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build

failures=()
step() {
    local name=$1 started=$SECONDS
    shift
    say "$name"
    "$@" || failures+=("$name")
    echo "    ($((SECONDS - started)) s)"
}
documentation() { RUSTDOCFLAGS='-D warnings' cargo doc --locked --quiet --workspace --no-deps; }
# A key that is kept here is anybody's.
no_private_keys() {
    git rev-parse --git-dir >/dev/null 2>&1 || return 0
    ! git grep -nI -E '^-----BEGIN ([A-Z]+ )*PRIVATE KEY'
}

step "no private keys" no_private_keys
step "formatting" cargo fmt --all --check
step "layers" scripts/layers.sh
step "structure" cargo run --locked --quiet --package concord-structure
step "lints" cargo clippy --locked --quiet --workspace --all-targets -- -D warnings
step "documentation" documentation
step "generated files" scripts/generated.sh --check
step "licences" scripts/licences.sh

if [ ${#failures[@]} -gt 0 ]; then
    printf '\nfailed: %s\n' "${failures[@]}"
    exit 1
fi
say "all is well"
