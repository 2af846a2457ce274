# Sourced by the other scripts: what they say, and how they come by what a fresh Debian machine lacks.
# shellcheck shell=bash

say() { printf '\n==> %s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# The folder for what is fetched once and used by every checkout.
# shellcheck disable=SC2034
cache=${XDG_CACHE_HOME:-$HOME/.cache}/concord

# require PACKAGE 'COMMAND THAT SUCCEEDS WHERE IT IS THERE' ['WHAT ONE CAN DO INSTEAD']
# As root, installs the Debian package; as anybody else, says in one line what to install.
require() {
    local package=$1 present=$2 instead=${3:-}
    if bash -c "$present" >/dev/null 2>&1; then return; fi
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        die "$package is missing: run 'apt-get install $package' as root${instead:+, or $instead}"
    fi
    say "installing $package"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y --no-install-recommends "$package" >/dev/null 2>&1 ||
        { apt-get update -q >/dev/null && apt-get install -y --no-install-recommends "$package" >/dev/null; } ||
        die "$package could not be installed: try 'apt-get install $package'"
}

# What every build needs: Rust, a C compiler, and the PostgreSQL client library that diesel links.
require_build() {
    command -v cargo >/dev/null || die "cargo is missing: install Rust 1.95 or newer (https://rustup.rs)"
    command -v cc >/dev/null || die "a C compiler is missing: run 'apt-get install build-essential' as root"
    require libpq-dev 'echo "int main(void) { return 0; }" | cc -x c - -lpq -o /dev/null && command -v pg_config'
}
