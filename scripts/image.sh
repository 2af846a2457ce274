#!/usr/bin/env bash
# Gathers the files of the container image, starts a server with nothing but them, and builds the image: as an archive that
# `docker load` and `podman load` take, and with docker or podman itself where one of them runs here.
#
#     scripts/image.sh [--check]
#
# --check gathers and starts, and builds no image. CONCORD_BINARY names a binary that is built already. Nothing is fetched but
# what building the binary needs.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
require python3 'command -v python3'
require binutils 'command -v readelf'
require ca-certificates 'ls /etc/ssl/certs/ca-certificates.crt'

if [ -z "${CONCORD_BINARY:-}" ]; then
    say "building with optimisation"
    cargo build --locked --release --package concord-api --bin concord
    CONCORD_BINARY=${CARGO_TARGET_DIR:-target}/release/concord
fi
context=${CARGO_TARGET_DIR:-target}/image
version=$("$CONCORD_BINARY" --version | cut -d ' ' -f 2)
tag=concord:$version
archive=$context/concord-$version.tar
export PYTHONDONTWRITEBYTECODE=1

say "gathering the files of the image in $context"
python3 scripts/image gather "$CONCORD_BINARY" "$context"
say "starting a server with nothing but these files"
python3 scripts/image start "$context"
[ "${1:-}" != --check ] || exit 0

say "writing $archive"
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)} \
    python3 scripts/image archive "$context" "$tag" "$archive"
if docker info >/dev/null 2>&1; then
    docker build --file Containerfile --tag "$tag" "$context"
elif command -v podman >/dev/null && podman info >/dev/null 2>&1; then
    # Its own format knows no health check.
    podman build --format docker --file Containerfile --tag "$tag" "$context"
else
    say "no docker and no podman runs here: take the image where one does, by 'docker load --input $archive'"
fi
