#!/usr/bin/env bash
# Changes the access decision (crates/consent), which labels are in effect (crates/fhir/src/label, and where they are stored,
# crates/store/src/transaction/effective_label), and what a predicate means
# (crates/fhir/src/predicate), in every small way that cargo-mutants knows, and runs the crate's tests on each change. What
# no test notices is listed at the end: a rule that nothing holds, or a change that changes no answer.
# Takes an hour or two; arguments are for cargo-mutants, for example `--file crates/consent/src/label.rs`. The random tests
# take most of the time of a run and find little that the others do not, so they run in a second pass, on what is left.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
command -v cargo-mutants >/dev/null ||
    die "cargo-mutants is missing: run 'cargo install --locked cargo-mutants --version 27.1.0'"

# No debug information and only what changed built anew: each change is a build of its own.
export CARGO_INCREMENTAL=1 CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_TEST_DEBUG=0
unset CARGO_TARGET_DIR
mkdir -p target/mutants

only=("$@")
pass() {
    local status=0
    cargo mutants -p concord-consent -C=--lib --jobs 1 --output target/mutants "${only[@]}" "$@" || status=$?
    # 2: some were missed. 3: none was, but some tests did not end, which is noticed as well.
    case $status in
        0 | 3) return 0 ;;
        2) return 2 ;;
        *) exit $status ;;
    esac
}

missed=0
if [ ${#only[@]} = 0 ]; then
    say "which labels are in effect, and what predicates mean"
    cargo mutants -p concord-fhir --file 'crates/fhir/src/label/*.rs' --file 'crates/fhir/src/predicate*' \
        --file 'crates/fhir/src/predicate/*.rs' -C=--lib --jobs 1 --timeout 150 \
        --output target/mutants/labels -- -- label:: predicate:: index::deciding:: || missed=$?
    say "which labels are stored as being in effect, on both databases"
    scripts/with-postgres.sh cargo mutants -p concord-store --file 'crates/store/src/transaction/effective_label/*.rs' \
        --exclude 'crates/store/src/transaction/effective_label/tests/*.rs' -C=--lib --jobs 1 --timeout 150 \
        --output target/mutants/stored -- -- effective_label || missed=$?
fi
say "the decisions that are written down, and the unit tests"
rm -rf target/mutants/mutants.out*
if pass --timeout 60 -- -- --skip properties --skip tests::reference::; then exit $missed; fi
say "what they left: all tests"
pass --iterate --timeout 150
exit $missed
