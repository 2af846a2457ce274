#!/usr/bin/env bash
# Runs the examples of docs/HARNESS.md for test runners: each block whose first line names a file.
#
#     scripts/suites/runners.sh CONCORD FOLDER
#
# CONCORD is the binary, FOLDER a folder to install the runners in. Each run says `pass` or `fail`, and the name of the runner.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/packages.sh
binary=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")

say "installing test runners in $folder"
[ -x "$folder/python/bin/python" ] || python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check pytest==8.4.2
# A package of its own: without one they would be part of the folder above, whose files are modules.
echo '{"private": true}' >"$folder/package.json"
(cd "$folder" && npm install --no-audit --no-fund --silent jest@29.7.0 @playwright/test@1.56.1)
require junit5 'ls /usr/share/java/junit-platform-console.jar' 'name the jars of JUnit 5 and its console by JUNIT'
junit=${JUNIT:-$(echo /usr/share/java/{junit-platform-{console,commons,engine,launcher,reporting},junit-jupiter-{api,engine},opentest4j,apiguardian-api,picocli,opentest4j-reporting-events}.jar | tr ' ' ':')}

awk -v folder="$folder" '
    /^```/ { file = ""; begun = 1; next }
    begun && match($0, /^(#|\/\/) [A-Za-z_]+(\.[a-z]+)+: /) {
        split(substr($0, RSTART, RLENGTH), part, /[ :]+/); file = folder "/" part[2]; printf "" >file
    }
    { begun = 0 }
    file != "" { print >>file }
' docs/HARNESS.md
cp -r fixtures "$folder"
cat >"$folder/playwright.config.js" <<'JS'
module.exports = { use: { launchOptions: { executablePath: process.env.SUITE_CHROMIUM, args: ['--no-sandbox'] } } }
JS

SUITE_CHROMIUM=${SUITE_CHROMIUM:-$(command -v chromium)}
export SUITE_CHROMIUM
mkdir -p "$folder/bin"
ln -sf "$binary" "$folder/bin/concord"
PATH=$folder/bin:$PATH
cd "$folder"
step() {
    local name=$1
    shift
    # What is for the tests of this tree is no setting of the server.
    if env -u CONCORD_BASE -u CONCORD_TOKEN -u CONCORD_OPENAPI -u CONCORD_FHIR_EXAMPLES_FOR_SUITES -u CONCORD_LISTEN -u CONCORD_DATABASE_URL \
        "$@" >"$name.log" 2>&1; then
        printf 'pass\t%s\tthe example of docs/HARNESS.md\n' "$name"
    else
        cat "$name.log" >&2
        printf 'fail\t%s\tthe example of docs/HARNESS.md\n' "$name"
    fi
}
step pytest python/bin/python -m pytest -q test_phr.py
step jest npx jest phr.test.js
mkdir -p classes && javac -d classes -cp "$junit" PhrTest.java
step junit java -cp "$junit:classes" org.junit.platform.console.ConsoleLauncher --scan-class-path classes --fail-if-no-tests \
    --disable-banner
step playwright npx playwright test phr.spec.js
