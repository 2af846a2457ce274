#!/usr/bin/env bash
# Every test, on both databases. Arguments go to `cargo test`, for instance: scripts/test.sh -p concord-fhir
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build

CONCORD_FHIR_EXAMPLES=$(scripts/official-examples.sh)
export CONCORD_FHIR_EXAMPLES
[ $# -gt 0 ] || set -- --workspace
say "building"
# The journeys in tests/ start this binary.
cargo build --locked --package concord-api --bin concord
cargo test --locked --no-run "$@"
exec scripts/with-postgres.sh cargo test --locked "$@"
