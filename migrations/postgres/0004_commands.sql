-- The write side: streams under a version guard, the journal of their events (which is the outbox of the log too), and the
-- commands that were handled.

-- One row per application: names its journal, numbers what is published, and says who publishes.
CREATE TABLE refold.journals (
  app           text COLLATE "C" PRIMARY KEY,
  incarnation   uuid NOT NULL DEFAULT gen_random_uuid(),
  next_sequence bigint NOT NULL DEFAULT 1,
  lease_owner   text,
  lease_until   timestamptz,
  created_at    timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE refold.streams (
  app       text COLLATE "C" NOT NULL,
  aggregate text COLLATE "C" NOT NULL,
  stream    text COLLATE "C" NOT NULL,
  version   bigint NOT NULL CHECK (version > 0),
  PRIMARY KEY (app, aggregate, stream)
) WITH (fillfactor = 50);

-- entry_id is drawn while the stream's row is locked, so within a stream it rises with the version; among streams it may
-- become visible out of order. The sequence, without gaps, and the partition are given before the entry is published, the offset
-- once it is: an entry that has the one and not the other may lie in the log or not, and the relay has to look.
CREATE TABLE refold.journal_entries (
  app           text COLLATE "C" NOT NULL,
  aggregate     text COLLATE "C" NOT NULL,
  stream        text COLLATE "C" NOT NULL,
  version       bigint NOT NULL,
  entry_id      bigint GENERATED ALWAYS AS IDENTITY,
  sequence      bigint,
  topic         text COLLATE "C" NOT NULL,
  partition     integer,
  record_offset bigint,
  recorded_ms   bigint NOT NULL,
  key           bytea NOT NULL,
  value         bytea,
  headers       text NOT NULL,
  PRIMARY KEY (app, aggregate, stream, version),
  UNIQUE (app, sequence),
  CHECK (num_nulls(sequence, partition) IN (0, 2)),
  CHECK (record_offset IS NULL OR sequence IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX journal_entries_unpublished ON refold.journal_entries (app, entry_id) WHERE sequence IS NULL;
CREATE INDEX journal_entries_undecided ON refold.journal_entries (app, sequence) WHERE sequence IS NOT NULL AND record_offset IS NULL;
COMMENT ON COLUMN refold.journal_entries.recorded_ms IS 'time of recording, milliseconds since the epoch';
COMMENT ON COLUMN refold.journal_entries.headers IS 'JSON object of texts';

-- Nothing that is undecided lies before these offsets: where a relay begins to look for it.
CREATE TABLE refold.relay_positions (
  app         text COLLATE "C" NOT NULL,
  topic       text COLLATE "C" NOT NULL,
  partition   integer NOT NULL,
  next_offset bigint NOT NULL,
  PRIMARY KEY (app, topic, partition)
) WITH (fillfactor = 50);

-- One row per batch of an import, so that the same import goes on where it was and never twice.
CREATE TABLE refold.imports (
  app         text COLLATE "C" NOT NULL,
  import_id   text COLLATE "C" NOT NULL,
  batch       integer NOT NULL,
  digest      text NOT NULL,
  events      integer NOT NULL,
  imported_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app, import_id, batch)
);

CREATE TABLE refold.handled_commands (
  app        text COLLATE "C" NOT NULL,
  command_id text COLLATE "C" NOT NULL,
  command    text NOT NULL,
  aggregate  text COLLATE "C" NOT NULL,
  stream     text COLLATE "C" NOT NULL,
  version    bigint NOT NULL,
  events     integer NOT NULL,
  result     text NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app, command_id)
);
CREATE INDEX handled_commands_age ON refold.handled_commands (app, handled_at);
