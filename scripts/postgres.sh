#!/usr/bin/env bash
# A PostgreSQL server of your own on 127.0.0.1, with a database for MLflow and one for Prefect.
#
#   scripts/postgres.sh start FOLDER   make the cluster in FOLDER if it is not there, start it, print what to export
#   scripts/postgres.sh stop FOLDER    stop it; FOLDER keeps the data
#
# The port is a free one, chosen when the cluster is made, or $PORT. The password is random and stands in FOLDER/urls.
# Needs PostgreSQL's programs (Debian: apt-get install postgresql). As root everything runs as the user `postgres`,
# since PostgreSQL refuses root; FOLDER must then lie where that user may go (not below /root).
set -euo pipefail
umask 077

fail() { echo "error: $*" >&2; exit 1; }

[ $# -eq 2 ] || fail "usage: scripts/postgres.sh start|stop FOLDER"
action=$1
folder=$(realpath --canonicalize-missing "$2")
data=$folder/data

# Debian keeps initdb and pg_ctl off the PATH, in a folder per version.
newest=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort --version-sort | tail -n 1)
PATH=$PATH:$newest
for program in initdb pg_ctl createdb; do
    command -v "$program" > /dev/null || fail "$program was not found; install PostgreSQL (Debian: apt-get install postgresql)"
done

as_owner() {  # PostgreSQL wants to be nobody special, in a folder that it may enter
    if [ "$(id -u)" -eq 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/ "$@")
    else
        "$@"
    fi
}

make_cluster() {
    local password port
    mkdir -p "$folder"
    [ "$(id -u)" -ne 0 ] || chown postgres: "$folder"
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    port=${PORT:-$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')}
    printf '%s\n' "$password" | as_owner tee "$folder/password" > /dev/null
    as_owner initdb --pgdata="$data" --username=pipeline --pwfile="$folder/password" --auth=scram-sha-256 \
        --encoding=UTF8 --locale=C > "$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; fail "initdb failed"; }
    printf '%s\n' "port = $port" "listen_addresses = '127.0.0.1'" "unix_socket_directories = ''" \
        | as_owner tee -a "$data/postgresql.conf" > /dev/null
    start_server
    for database in mlflow prefect; do
        PGPASSWORD=$password createdb --host=127.0.0.1 --port="$port" --username=pipeline "$database"
    done
    # Written last: a cluster without it was not finished.
    printf '%s\n' \
        "export MLFLOW_TRACKING_URI=postgresql+psycopg://pipeline:$password@127.0.0.1:$port/mlflow" \
        "export PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql+asyncpg://pipeline:$password@127.0.0.1:$port/prefect" \
        > "$folder/urls"
}

start_server() {
    as_owner pg_ctl --pgdata="$data" --log="$folder/server.log" --wait start > /dev/null \
        || { tail -n 20 "$folder/server.log" >&2; fail "PostgreSQL did not start"; }
}

is_running() { as_owner pg_ctl --pgdata="$data" status > /dev/null 2>&1; }

case $action in
    start)
        if [ ! -d "$data" ]; then
            make_cluster
        elif [ ! -f "$folder/urls" ]; then
            fail "$folder holds a cluster that was not finished; remove it and start again"
        elif ! is_running; then
            start_server
        fi
        cat "$folder/urls"
        ;;
    stop)
        [ -d "$data" ] || fail "no cluster in $folder"
        ! is_running || as_owner pg_ctl --pgdata="$data" --mode=fast --wait stop > /dev/null
        ;;
    *) fail "usage: scripts/postgres.sh start|stop FOLDER" ;;
esac
