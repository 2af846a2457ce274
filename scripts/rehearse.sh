#!/usr/bin/env bash
# Rehearses what fails around two nodes over PostgreSQL, with readers, writers and revocations, and prints a table of what
# became of them. Everything runs on this machine and listens on 127.0.0.1 only. Arguments are names of scenarios (none: all).
#
# CONCORD_BINARY names a binary that is built already.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
require python3 'command -v python3'
require postgresql 'ls /usr/lib/postgresql/*/bin/initdb'
require pgbouncer 'command -v pgbouncer'
require haproxy 'command -v haproxy'
require faketime 'command -v faketime'
# What needs these is skipped where they cannot be had, and that is said.
for one in 'iproute2 ip' 'etcd-server etcd' 'patroni patroni' 'pgbackrest pgbackrest'; do
    (require "${one% *}" "command -v ${one#* }") || true
done

if [ -z "${CONCORD_BINARY:-}" ]; then
    say "building with optimisation"
    cargo build --locked --release --package concord-api --bin concord
    CONCORD_BINARY=${CARGO_TARGET_DIR:-target}/release/concord
fi
CONCORD_BINARY=$(realpath "$CONCORD_BINARY")
export CONCORD_BINARY PYTHONDONTWRITEBYTECODE=1
exec python3 scripts/rehearse "$@"
