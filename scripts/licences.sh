#!/usr/bin/env bash
# Licences, sources and bans of every dependency by deny.toml, and known vulnerabilities where the advisory database can
# be fetched. cargo-deny is built once, into the cache, where it is not installed.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

version=0.20.2
deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
    deny=$cache/tools/bin/cargo-deny
    if [ ! -x "$deny" ]; then
        say "building cargo-deny $version once, into $cache/tools (some minutes)"
        CARGO_TARGET_DIR=$cache/tools/build CARGO_PROFILE_DEV_DEBUG=false \
            cargo install cargo-deny --version "$version" --locked --debug --quiet --root "$cache/tools"
        rm -rf "$cache/tools/build"
    fi
fi

"$deny" --all-features check --hide-inclusion-graph licenses bans sources
# Without the network, an advisory database that was fetched earlier is better than none.
if timeout 120 "$deny" fetch db >/dev/null 2>&1; then
    "$deny" --all-features check --disable-fetch advisories
elif [ -n "$(ls -d "${CARGO_HOME:-$HOME/.cargo}"/advisory-dbs/*/.git 2>/dev/null)" ]; then
    echo "the advisory database could not be fetched now: checking against the copy that is here"
    "$deny" --all-features check --disable-fetch advisories
else
    echo "NOT CHECKED: known vulnerabilities. The advisory database could not be fetched from here."
fi
