#!/usr/bin/env bash
# Client libraries and tools of others as they are, against servers that are started for them on the embedded database: one with
# tokens of the development issuer, and one that people sign in to with Chromium. Prints a line for each step, then the counts;
# fails when a step does that is not judged (scripts/suites/tools/judged.tsv). With SHOTS=FOLDER the pages of sign-in are kept
# there as pictures. docs/CONFORMANCE.md keeps the counts and judges what fails.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
require_build
require curl 'command -v curl'
require nodejs 'command -v node'
require chromium 'command -v chromium'
require npm 'command -v npm'
require python3-venv 'python3 -m venv --help && python3 -c "import ensurepip"'

target=${CARGO_TARGET_DIR:-target}
work=$target/suites
source=$PWD/scripts/suites/clients
rm -rf "$work/run"
mkdir -p "$work/run"
work=$(cd "$work" && pwd)

say "building"
cargo build --locked --package concord-api --bin concord
concord=$(cd "$target" && pwd)/debug/concord

say "installing the clients in $work"
cp "$source"/* "$work"
(cd "$work" && npm install --no-audit --no-fund --ignore-scripts --silent)
[ -x "$work/python/bin/python" ] || python3 -m venv "$work/python"
"$work/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$work/requirements.txt"

tools=$work/tools
mkdir -p "$tools"
cp "$PWD"/scripts/suites/tools/* "$tools"
rm -rf "$tools/run"
[ -x "$tools/python/bin/python" ] || python3 -m venv "$tools/python"
"$tools/python/bin/pip" install --quiet --disable-pip-version-check --requirement "$tools/requirements.txt"
CONCORD_FHIR_EXAMPLES_FOR_SUITES=$(scripts/official-examples.sh)

unset CONCORD_TEST_POSTGRES CONCORD_FHIR_EXAMPLES
export CONCORD_DATABASE_URL=sqlite:$work/run/concord.db
export CONCORD_DEVELOPMENT_ISSUER=true
export CONCORD_LISTEN=${CONCORD_LISTEN:-127.0.0.1:8089}
export CONCORD_PUBLIC_URL=http://$CONCORD_LISTEN
export CONCORD_SIGN_IN='{"development_provider": true}'
export CONCORD_AUDIT_KEY=$work/run/audit.key
"$concord" serve >"$work/run/log" 2>&1 &
server=$!
stop() {
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    if [ -n "${sign_in:-}" ]; then
        kill "$sign_in" 2>/dev/null || true
        wait "$sign_in" 2>/dev/null || true
    fi
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
curl -fs -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused "http://$CONCORD_LISTEN/readyz" ||
    die "the server is not ready: see $work/run/log"
CONCORD_BASE=http://$CONCORD_LISTEN/fhir
CONCORD_TOKEN=$("$concord" token --system --expires-in 1h)
"$concord" import fixtures/people
"$concord" openapi >"$work/run/openapi.json"

say "running"
unset CONCORD_PUBLIC_URL CONCORD_SIGN_IN CONCORD_AUDIT_KEY
export CONCORD_BASE CONCORD_TOKEN CONCORD_FHIR_EXAMPLES_FOR_SUITES CONCORD_OPENAPI=$work/run/openapi.json
for script in fhirclient fhir-kit-client medplum; do
    (cd "$work" && node "$script.mjs")
done | tee "$work/run/steps"
for script in python_fhirclient python_fhirpy; do
    (cd "$work" && python/bin/python "$script.py")
done | tee -a "$work/run/steps"
"$tools/python/bin/python" "$tools/tools.py" | tee -a "$work/run/steps" | grep -v '^pass.*schemathesis'

say "running what signs in"
"$work/python/bin/python" "$work/make_keys.py" "$work/run"
export SUITE_RS384_KEYS=$work/run/RS384-private.json SUITE_ES384_KEYS=$work/run/ES384-private.json
export SUITE_SIGN_IN_BASE=http://127.0.0.1:${SIGN_IN_PORT:-8091} SUITE_APP_PORT=${APP_PORT:-8092}
SUITE_CHROMIUM=$(command -v chromium) && export SUITE_CHROMIUM
export SUITE_LOGIN_PORT=${LOGIN_PORT:-8093} SUITE_SHOTS=${SHOTS:-}
[ -z "$SUITE_SHOTS" ] || mkdir -p "$SUITE_SHOTS"
login=http://127.0.0.1:$SUITE_LOGIN_PORT
providers='[{"name": "nhs-login", "title": "Continue to NHS login", "kind": "nhs-login", "issuer": "'$login'",
    "jwks": "'$login'/jwks", "authorization_endpoint": "'$login'/authorize", "token_endpoint": "'$login'/token",
    "client_id": "phr", "key_file": "'$work'/run/login.pem"},
    {"name": "nobody-there", "title": "Continue with a service that is down", "kind": "oidc", "issuer": "http://127.0.0.1:9",
    "client_id": "phr", "secret_file": "'$work'/run/login.secret"}]'
echo none >"$work/run/login.secret"
CONCORD_CLIENTS='[
    {"client": "browser-app", "name": "Browser app", "about": "It shows what it may see.",
     "redirect_uris": ["http://localhost:'$SUITE_APP_PORT'/back"],
     "scope": "openid fhirUser launch launch/patient offline_access patient/*.cruds"},
    {"client": "portal", "name": "Surgery portal", "redirect_uris": ["http://localhost:'$SUITE_APP_PORT'/portal"],
     "scope": "launch/patient patient/*.rs user/*.rs"},
    {"client": "diary", "kind": "third-party", "name": "Heart Diary", "about": "It draws your blood pressure as a curve.",
     "redirect_uris": ["http://localhost:'$SUITE_APP_PORT'/diary"],
     "scope": "openid fhirUser launch/patient launch/encounter offline_access patient/*.cruds"},
    {"client": "own", "kind": "own", "name": "Surgery Portal", "redirect_uris": ["http://localhost:'$SUITE_APP_PORT'/own"],
     "scope": "openid fhirUser launch/patient offline_access patient/*.cruds user/*.cruds"},
    {"client": "system-rs384", "keys": "'$work'/run/RS384-public.json", "scope": "system/Patient.rs"},
    {"client": "system-es384", "keys": "'$work'/run/ES384-public.json", "scope": "system/Patient.rs"}]' \
    CONCORD_LISTEN=127.0.0.1:${SIGN_IN_PORT:-8091} CONCORD_PUBLIC_URL=$SUITE_SIGN_IN_BASE \
    CONCORD_SIGN_IN='{"development_provider": true, "registration": "open"}' CONCORD_PROVIDERS=$providers \
    env -u CONCORD_BASE -u CONCORD_TOKEN -u CONCORD_OPENAPI -u CONCORD_FHIR_EXAMPLES_FOR_SUITES \
    "$concord" serve --ephemeral=fixtures/people >"$work/run/ready" 2>"$work/run/sign-in-log" &
sign_in=$!
curl -fs -o /dev/null --retry 60 --retry-delay 1 --retry-connrefused "$SUITE_SIGN_IN_BASE/readyz" ||
    die "the server is not ready: see $work/run/sign-in-log"
for script in sign_in pages; do
    (cd "$work" && node "$script.mjs")
done | tee -a "$work/run/steps"
(cd "$work" && python/bin/python python_cumulus.py) | tee -a "$work/run/steps"

say "running test runners with the examples of the documentation"
scripts/suites/runners.sh "$concord" "$work/runners" | tee -a "$work/run/steps"

say "starting the server with nothing but the files of the container image"
CONCORD_BINARY=$concord scripts/image.sh --check

say "passed, failed, judged, skipped"
awk -F'\t' 'NF > 1 { all[$2]; done[$2, $1]++ }
    END { for (one in all) printf "%-26s %3d %3d %3d %3d\n", one, done[one, "pass"], done[one, "fail"], done[one, "judged"], done[one, "skip"] }' \
    "$work/run/steps" | sort
! grep -q '^fail' "$work/run/steps"
