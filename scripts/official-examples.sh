#!/usr/bin/env bash
# Prints the folder of the official R4 definitions and examples (npm package hl7.fhir.r4.examples 4.0.1, CC0), and
# fetches them first where they are missing. They are kept outside the tree and are not part of it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

name=hl7.fhir.r4.examples
version=4.0.1
expected=5306
home=$cache/$name-$version
folder=${CONCORD_FHIR_EXAMPLES:-$home/package}

# The resources in a folder: every JSON file but the package's own description of itself.
count() { find "$1" -maxdepth 1 -name '*.json' ! -name package.json ! -name '.*' 2>/dev/null | wc -l; }

if [ "$(count "$folder")" -ne "$expected" ]; then
    [ -z "${CONCORD_FHIR_EXAMPLES:-}" ] ||
        die "CONCORD_FHIR_EXAMPLES names a folder with $(count "$folder") resources, not $expected: $folder"
    require npm 'command -v npm' "set CONCORD_FHIR_EXAMPLES to the folder 'package' of the npm package $name $version" >&2
    say "fetching $name $version" >&2
    mkdir -p "$cache"
    fresh=$(mktemp -d "$cache/fetch.XXXXXX")
    trap 'rm -rf "$fresh"' EXIT
    npm pack "$name@$version" --silent --pack-destination "$fresh" >/dev/null || die "npm pack $name@$version failed"
    tar -xzf "$fresh"/*.tgz -C "$fresh"
    rm -f "$fresh"/*.tgz
    [ "$(count "$fresh/package")" -eq "$expected" ] ||
        die "$name $version has $(count "$fresh/package") resources, not $expected"
    rm -rf "$home"
    mv "$fresh" "$home"
    trap - EXIT
fi
printf '%s\n' "$folder"
