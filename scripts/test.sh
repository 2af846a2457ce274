#!/usr/bin/env bash
# Every test, on both databases. Arguments go to `cargo test`, for instance: scripts/test.sh -p concord-fhir
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
# The walk-through is run as its reader would.
require curl 'command -v curl'
# The page on harnesses has a test of Node's.
require nodejs 'command -v node'

CONCORD_FHIR_EXAMPLES=$(scripts/official-examples.sh)
export CONCORD_FHIR_EXAMPLES
say "building"
# The journeys in tests/ start the binary. The tests of all packages build it with the rest; those of some may not.
if [ $# -gt 0 ]; then
    cargo build --locked --package concord-api --bin concord
else
    set -- --workspace
fi
cargo test --locked --no-run "$@"
exec scripts/with-postgres.sh cargo test --locked "$@"
