#!/usr/bin/env bash
# Regenerates what is committed but not written by hand: the R4 tables, the OpenAPI document, the synthetic people.
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

say "R4 tables"
definitions=$(scripts/official-examples.sh)
cargo run --locked --quiet --package concord-generate -- --definitions "$definitions" $check || failed=1

say "OpenAPI document"
fresh=$(mktemp)
trap 'rm -f "$fresh"' EXIT
cargo run --locked --quiet --package concord-api --bin concord -- openapi >"$fresh"
if [ -z "$check" ]; then
    mkdir -p openapi
    cp "$fresh" openapi/openapi.json
elif ! cmp -s "$fresh" openapi/openapi.json; then
    diff -u openapi/openapi.json "$fresh" | head -n 40 || true
    echo "openapi/openapi.json is not what 'concord openapi' prints: run 'make generate'"
    failed=1
fi

say "synthetic people"
python3 fixtures/generator $check || failed=1
exit "$failed"
