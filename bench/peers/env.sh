# source this; override any of these first
KIT="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"; export KIT
export WORKDIR="${WORKDIR:-$(dirname "$KIT")/work}"            # data, results, postgres and broker directories
export NODE_MODULES="${NODE_MODULES:-$KIT/../../node_modules}"
export KAFKA_LIBS="${KAFKA_LIBS:-$KIT/../../services/kafka/libs}"
export PGBIN="${PGBIN:-/usr/lib/postgresql/15/bin}"
export PGPORT_="${PGPORT_:-35432}" KPORT="${KPORT:-39092}" CPORT="${CPORT:-39093}"
export BROKER="127.0.0.1:$KPORT" PGURL="postgres://postgres@127.0.0.1:$PGPORT_/postgres"
export PYTHON="${PYTHON:-$WORKDIR/venv/bin/python}"
[ -f "$WORKDIR/pg/data/postmaster.pid" ] && export PG_PID="$(head -1 "$WORKDIR/pg/data/postmaster.pid")"
[ -f "$WORKDIR/broker/pid" ] && export BROKER_PID="$(cat "$WORKDIR/broker/pid")"
true
