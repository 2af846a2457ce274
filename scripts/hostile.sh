#!/usr/bin/env bash
# What one hostile caller of each kind does to all others, on both databases. Arguments go to `concord-bench hostile`.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
say "building with optimisation"
cargo build --locked --release --package concord-bench --package concord-api
exec scripts/with-postgres.sh --durable "${CARGO_TARGET_DIR:-target}/release/concord-bench" hostile "$@"
