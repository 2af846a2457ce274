#!/usr/bin/env bash
# Regenerates what is committed but not written by hand: the R4 tables, the OpenAPI document, the page of settings, the
# synthetic people.
# With --check, changes nothing and fails where a committed file differs.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
require python3 'command -v python3'
export PYTHONDONTWRITEBYTECODE=1

check=
[ "${1:-}" != --check ] || check=--check
failed=0

say "R4 tables, and the profiles that ship"
definitions=$(scripts/official-examples.sh)
# What others publish is compared where it is there.
others=()
ukcore=${CONCORD_UKCORE:-../shared/data/ukcore}
[ ! -d "$ukcore" ] || others+=(--ukcore "$ukcore")
[ -z "${CONCORD_IPS:-}" ] || others+=(--ips "$CONCORD_IPS")
cargo run --locked --quiet --package concord-generate -- --definitions "$definitions" "${others[@]}" $check || failed=1

fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT

# printed COMMAND FILE: FILE is what `concord COMMAND` prints.
printed() {
    cargo run --locked --quiet --package concord-api --bin concord -- "$1" >"$fresh"
    if [ -z "$check" ]; then
        mkdir -p "$(dirname "$2")"
        cp "$fresh" "$2"
    elif ! cmp -s "$fresh" "$2"; then
        diff -u "$2" "$fresh" | head -n 40 || true
        echo "$2 is not what 'concord $1' prints: run 'make generate'"
        failed=1
    fi
}

say "OpenAPI document"
printed openapi openapi/openapi.json

say "page of settings"
printed settings docs/SETTINGS.md

say "synthetic people"
python3 fixtures/generator $check || failed=1
exit "$failed"
