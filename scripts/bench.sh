#!/usr/bin/env bash
# The floor and the product side by side, on both databases. Arguments go to the bench.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
say "building with optimisation"
cargo build --locked --release --package concord-bench --package concord-api
exec scripts/with-postgres.sh --durable "${CARGO_TARGET_DIR:-target}/release/concord-bench" "$@"
