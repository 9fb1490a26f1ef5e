-- The event log in Postgres: records by (app, topic, partition, offset), groups of readers and what they committed.

-- One row per partition. Its lock orders the appends of the partition, so offsets have no gaps and become visible in order.
CREATE TABLE refold.log_partitions (
  app          text COLLATE "C" NOT NULL,
  topic        text COLLATE "C" NOT NULL,
  partition    integer NOT NULL CHECK (partition >= 0),
  start_offset bigint NOT NULL DEFAULT 0,
  next_offset  bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (app, topic, partition),
  CHECK (start_offset BETWEEN 0 AND next_offset)
) WITH (fillfactor = 50);

CREATE TABLE refold.log_records (
  app           text COLLATE "C" NOT NULL,
  topic         text COLLATE "C" NOT NULL,
  partition     integer NOT NULL,
  record_offset bigint NOT NULL,
  appended_ms   bigint NOT NULL,
  key           bytea NOT NULL,
  value         bytea,
  headers       text NOT NULL,
  PRIMARY KEY (app, topic, partition, record_offset)
);
COMMENT ON COLUMN refold.log_records.appended_ms IS 'time of appending, milliseconds since the epoch';
COMMENT ON COLUMN refold.log_records.headers IS 'JSON object of texts';

-- Members of a group. Who was not heard of for session_timeout_ms, by the clock of the database, is dead.
CREATE TABLE refold.log_members (
  app                text COLLATE "C" NOT NULL,
  group_name         text COLLATE "C" NOT NULL,
  member_id          text COLLATE "C" NOT NULL,
  topics             text[] NOT NULL,
  session_timeout_ms integer NOT NULL,
  heartbeat_at       timestamptz NOT NULL,
  PRIMARY KEY (app, group_name, member_id)
) WITH (fillfactor = 50);

-- Who reads which partition. A claim is given up by its owner, or taken from a dead one.
CREATE TABLE refold.log_claims (
  app        text COLLATE "C" NOT NULL,
  group_name text COLLATE "C" NOT NULL,
  topic      text COLLATE "C" NOT NULL,
  partition  integer NOT NULL,
  owner      text COLLATE "C" NOT NULL,
  claimed_at timestamptz NOT NULL,
  PRIMARY KEY (app, group_name, topic, partition)
);

-- For outside tools only: refold reads on from its checkpoints.
CREATE TABLE refold.log_group_offsets (
  app          text COLLATE "C" NOT NULL,
  group_name   text COLLATE "C" NOT NULL,
  topic        text COLLATE "C" NOT NULL,
  partition    integer NOT NULL,
  next_offset  bigint NOT NULL,
  committed_at timestamptz NOT NULL,
  PRIMARY KEY (app, group_name, topic, partition)
);
