#!/usr/bin/env bash
# A server to try things on: builds, starts on the embedded database with the development issuer, loads the synthetic
# people, prints a token for each of them, and stays until Ctrl-C.
#
# The database is kept in target/run between runs; `make run FRESH=1` starts again from nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
require curl 'command -v curl'

target=${CARGO_TARGET_DIR:-target}
run=target/run
[ -z "${FRESH:-}" ] || rm -rf "$run"
mkdir -p "$run/tokens"
chmod 700 "$run" "$run/tokens"

say "building (the first time takes some minutes)"
cargo build --locked --release --package concord-api --bin concord
concord=$target/release/concord

# These are the tests', and the server refuses what is no setting.
unset CONCORD_TEST_POSTGRES CONCORD_FHIR_EXAMPLES
export CONCORD_DATABASE_URL=sqlite:$run/concord.db
export CONCORD_DEVELOPMENT_ISSUER=true
export CONCORD_LISTEN=${CONCORD_LISTEN:-127.0.0.1:8080}
base=http://$CONCORD_LISTEN
# Sign-in, where nobody else reaches it, an app to look at, and one of others to connect one's own as (docs/APPS.md).
first=
case $CONCORD_LISTEN in
127.* | '[::1]'*)
    export CONCORD_PUBLIC_URL=$base
    export CONCORD_SIGN_IN='{"development_provider": true}'
    first="
==> the first thing to see, in a browser

$base/example/    an app that lets itself in as any app does (pick Amina), and draws her blood pressure
"
    ;;
esac
export CONCORD_CLIENTS='[{"client": "example-app", "kind": "third-party", "name": "Example app",
    "about": "It is on your own machine, for trying things.", "redirect_uris": ["http://localhost:3000/callback"],
    "scope": "openid fhirUser launch/patient offline_access online_access patient/*.cruds user/*.cruds"}]'

say "starting on $base (log: $run/log)"
"$concord" serve >"$run/log" 2>&1 &
server=$!
stop() {
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
}
trap stop EXIT
trap 'exit 0' INT TERM
for attempt in $(seq 150); do
    kill -0 "$server" 2>/dev/null || die "the server stopped: $(tail -n 3 "$run/log")"
    if curl -fsS -o /dev/null --max-time 2 "$base/readyz" 2>/dev/null; then break; fi
    [ "$attempt" -lt 150 ] || die "the server is not ready after 30 s: see $run/log"
    sleep 0.2
done

if [ ! -e "$run/loaded" ]; then
    say "loading the synthetic people"
    "$concord" import fixtures/people
    touch "$run/loaded"
fi

say "one token for each person, good for 12 hours (also in $run/tokens)"
while IFS=$'\t' read -r name role options file; do
    case $name in '#'* | '') continue ;; esac
    # The options are words of our own table.
    # shellcheck disable=SC2086
    "$concord" token $options --expires-in 12h >"$run/tokens/$file"
    printf '%s, %s\n    %s\n' "$name" "$role" "$(cat "$run/tokens/$file")"
done <fixtures/tokens.tsv

cat <<EOF

$first
==> three things to try in another terminal, in this folder

curl -s $base/fhir/Observation?patient=amina\&code=85354-9\&_count=3\&_pretty=true -H "Authorization: Bearer \$(cat $run/tokens/amina)"

curl -s $base/fhir/Observation -H "Authorization: Bearer \$(cat $run/tokens/amina)" -H 'Content-Type: application/fhir+json' -d @fixtures/requests/home-blood-pressure.json

curl -s $base/fhir/AuditEvent?patient=amina\&_pretty=true -H "Authorization: Bearer \$(cat $run/tokens/amina)"

Let an app in as anybody: docs/APPS.md (client example-app)    Apps that are let in: $base/apps
What is where: $base/    API description: $base/docs    Stop: Ctrl-C    Start again from nothing: make run FRESH=1
EOF
wait "$server"
