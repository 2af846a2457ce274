#!/usr/bin/env bash
# Runs a command with CONCORD_TEST_POSTGRES naming a PostgreSQL that it may do anything to.
#
#     scripts/with-postgres.sh [--durable] COMMAND [ARGUMENT...]
#
# Where the variable is already set, that database is used. Otherwise a cluster of its own is made in a temporary
# folder, in memory where there is room, listening on a socket there and nowhere else, and thrown away afterwards. It does not wait
# for the disk, unless --durable asks it to (for measurements). Its databases sort as English does, not by code point, since those of users
# often do: a query that relies on the order of bytes has to say so.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

durable=false
if [ "${1:-}" = --durable ]; then
    durable=true
    shift
fi
if [ -n "${CONCORD_TEST_POSTGRES:-}" ]; then
    say "using the PostgreSQL that CONCORD_TEST_POSTGRES names"
    exec "$@"
fi

# The folder of the newest server's programs: Debian keeps them off the PATH.
programs() {
    find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1 | xargs -r dirname
}
if [ -z "$(programs)" ] && ! command -v initdb >/dev/null; then
    require postgresql false 'set CONCORD_TEST_POSTGRES to the URL of a PostgreSQL database whose user may create databases'
fi
bin=$(programs)
[ -z "$bin" ] || PATH=$bin:$PATH

# Whether there is room for it in memory. Tests make and drop hundreds of databases, each of a thousand files, which costs a disk's
# file system more than the databases do.
fits_in_memory() {
    local kilobytes
    kilobytes=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1)
    [ "${kilobytes:-0}" -gt 4000000 ] || return 1
    kilobytes=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo 2>/dev/null)
    [ "${kilobytes:-0}" -gt 8000000 ]
}

# The server refuses to run as root.
as_owner() { "$@"; }
place=/tmp
if ! $durable && fits_in_memory; then place=/dev/shm; fi
folder=$(mktemp -d "$place/concord-pg.XXXXXX")
if [ "$(id -u)" -eq 0 ]; then
    id postgres >/dev/null 2>&1 || die "no user 'postgres': set CONCORD_TEST_POSTGRES, or run as another user than root"
    chown postgres "$folder"
    as_owner() { (cd "$folder" && runuser -u postgres -- env PATH="$PATH" "$@"); }
fi

# Called by the trap.
# shellcheck disable=SC2317
stop() {
    as_owner pg_ctl -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "making a throw-away PostgreSQL in $folder"
make_cluster() {
    as_owner initdb -D "$folder/data" -U concord --auth=trust --encoding=UTF8 --no-sync "$@" >"$folder.log" 2>&1
}
make_cluster --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-GB || {
    rm -rf "$folder/data"
    make_cluster --locale=C || die "initdb failed: $(tail -n 1 "$folder.log")"
}
rm -f "$folder.log"
settings="listen_addresses = ''
unix_socket_directories = '$folder'
max_connections = 200
log_min_messages = fatal"
if ! $durable; then
    settings="$settings
fsync = off
synchronous_commit = off
full_page_writes = off
max_wal_size = 256MB"
fi
printf '%s\n' "$settings" | as_owner tee -a "$folder/data/postgresql.conf" >/dev/null
as_owner pg_ctl -D "$folder/data" -l "$folder/log" -w -t 60 start >/dev/null ||
    die "the throw-away PostgreSQL did not start: $(tail -n 1 "$folder/log")"

export CONCORD_TEST_POSTGRES="postgres:///postgres?host=$folder&user=concord"
status=0
"$@" || status=$?
exit "$status"
