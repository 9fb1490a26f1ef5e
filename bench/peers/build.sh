#!/usr/bin/env bash
# Fetch and build peers: build.sh [streams] [flink] [quix] (Maven Central, PyPI). The Kafka libraries come from services/kafka.
set -e; cd "$(dirname "$0")"; . ./env.sh; mkdir -p "$WORKDIR"
for what in "$@"; do case "$what" in
  streams) (cd streams && mvn -q -B package) ;;
  flink) cp streams/src/main/java/peers/Codec.java flink/src/main/java/peers/; mkdir -p flink/src/main/resources; cp streams/src/main/resources/simplelogger.properties flink/src/main/resources/; (cd flink && mvn -q -B package) ;;
  quix) [ -x "$PYTHON" ] || { python3 -m venv "$WORKDIR/venv"; "$WORKDIR/venv/bin/pip" install -q quixstreams==3.28.1 psycopg2-binary==2.9.13 fastavro==1.13.1; } ;;
  *) echo "unknown: $what" >&2; exit 1 ;;
esac; done
