#!/usr/bin/env bash
# Start an own broker (KRaft, one node) and an own Postgres cluster (default settings: fsync on, synchronous_commit on).
set -e; cd "$(dirname "$0")"; . ./env.sh; mkdir -p "$WORKDIR/broker" "$WORKDIR/pg"
sed -e "s#@KPORT@#$KPORT#g; s#@CPORT@#$CPORT#g; s#@DATA@#$WORKDIR/broker/data#" broker/s.properties.in > "$WORKDIR/broker/s.properties"
java -cp "$KAFKA_LIBS/*" kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$WORKDIR/broker/s.properties" --ignore-formatted > "$WORKDIR/broker/format.log" 2>&1
nohup java -Xms256m -Xmx512m -cp "$KAFKA_LIBS/*" kafka.Kafka "$WORKDIR/broker/s.properties" > "$WORKDIR/broker/broker.log" 2>&1 & echo $! > "$WORKDIR/broker/pid"
AS=""; if [ "$(id -u)" = 0 ]; then chown postgres "$WORKDIR/pg"; chmod o+x "$WORKDIR"; AS="su postgres -c"; else AS="bash -c"; fi
[ -d "$WORKDIR/pg/data" ] || $AS "$PGBIN/initdb -D $WORKDIR/pg/data -U postgres -A trust -E UTF8 --locale=C.UTF-8 > $WORKDIR/pg/initdb.log"
$AS "$PGBIN/pg_ctl -D $WORKDIR/pg/data -l $WORKDIR/pg/pg.log -o '-p $PGPORT_ -c unix_socket_directories=$WORKDIR/pg -c listen_addresses=127.0.0.1' -w start" > /dev/null
echo "broker $BROKER  postgres $PGURL"
for _ in $(seq 120); do (exec 3<> "/dev/tcp/127.0.0.1/$KPORT") 2> /dev/null && exit 0; sleep 0.5; done
echo "the broker does not answer, see $WORKDIR/broker/broker.log" >&2; exit 1
