#!/usr/bin/env bash
# Shows that dependencies point one way (api -> store, consent, model, profile or terminology -> fhir), that the pure
# crates do no I/O, that the store knows no caller, and that each outside library is named in one room only
# (docs/ARCHITECTURE.md). Prints every line that breaks a rule.
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
broken() {
    printf '%s\n' "$1" | sed 's/^/  /'
    failed=1
}

# absent_from CRATE PATTERN: no package of the crate's normal dependencies, features included, matches.
absent_from() {
    local crate=$1 pattern=$2 tree found
    tree=$(cargo tree --locked --package "$crate" --edges normal,features --prefix none)
    found=$(printf '%s\n' "$tree" | grep -E "^($pattern)( |\$)" | sort -u) || return 0
    broken "$crate depends on what it may not: $(printf '%s' "$found" | tr '\n' ',')"
}

# The lines of code of a file: no comments, and nothing from its module of tests on.
code() {
    awk '
        held && /^mod / { exit }
        held { print held; held = "" }
        /^#\[cfg\(test\)\]/ { held = FILENAME ":" FNR ":" $0; next }
        !/^[[:space:]]*\/\// { print FILENAME ":" FNR ":" $0 }
    ' "$1"
}

# sources FOLDER...: the Rust files of a crate that are part of the product.
sources() { find "$@" -path '*/src/*' -name '*.rs' ! -name tests.rs ! -path '*/tests/*' | sort; }

# only PATTERN PLACE...: the pattern occurs in code under these places and nowhere else in crates/.
only() {
    local pattern=$1 file place found
    shift
    while read -r file; do
        for place in "$@"; do
            case $file in "$place" | "$place"/*) continue 2 ;; esac
        done
        if found=$(code "$file" | grep -E "$pattern"); then broken "$found"; fi
    done < <(sources crates)
}

# never PATTERN FOLDER...: the pattern does not occur in code there.
never() {
    local pattern=$1 file found
    shift
    while read -r file; do
        if found=$(code "$file" | grep -E "$pattern"); then broken "$found"; fi
    done < <(sources "$@")
}

io='actix[a-z-]*|diesel[a-z_]*|tokio[a-z-]*|reqwest|hyper[a-z-]*|mio|socket2|jsonwebtoken|libsqlite3-sys|pq-sys|tracing-subscriber|chrono feature "(clock|now)"'
absent_from concord-fhir "$io|concord-consent|concord-model|concord-profile|concord-store|concord-terminology|concord-api"
absent_from concord-terminology "$io|concord-consent|concord-model|concord-profile|concord-signin|concord-store|concord-api"
absent_from concord-model "$io|concord-consent|concord-store|concord-api"
absent_from concord-profile "$io|concord-consent|concord-model|concord-signin|concord-store|concord-api"
absent_from concord-consent "$io|concord-model|concord-store|concord-api"
absent_from concord-signin "$io|concord-model|concord-store|concord-api"
# The store knows nothing of who calls, how, or what they may.
absent_from concord-store 'actix[a-z-]*|reqwest|hyper[a-z-]*|jsonwebtoken|concord-consent|concord-model|concord-signin|concord-api'
never 'std::(fs|net|env|process|os)\b|\bSystemTime\b|\bInstant::now|std::time::Instant' crates/fhir crates/consent crates/model crates/profile \
    crates/signin crates/terminology

# A library is named by its path, so that a field or a word of the same name does not count.
named() { printf '(^|[^A-Za-z0-9_])(%s)::|(^|[[:space:]])(use|extern crate) (%s)([;{]|[[:space:]]|$)' "$1" "$1"; }
only "$(named 'fhirbolt[a-z_]*')" crates/model
# The bench's floor does the same work with nothing around it.
only "$(named 'diesel|diesel_migrations|libsqlite3_sys')" crates/store crates/bench
only "$(named 'jsonwebtoken')" crates/api/src/auth crates/api/src/auth.rs
# Beside the HTTP room, the places that start the server.
only "$(named 'actix_[a-z_]+|actix')" crates/api/src/http crates/api/src/http.rs crates/api/src/main.rs \
    crates/api/src/lib.rs crates/api/src/command/{ephemeral,serve,server}.rs crates/bench

exit "$failed"
