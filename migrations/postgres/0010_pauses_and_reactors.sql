-- What is to be paused, and reactors: handlers with effects, which have positions of their own and park what fails.

-- A name that is here is not followed by any worker, in any version or store. Desired state: workers obey it.
CREATE TABLE refold.pauses (
  app       text COLLATE "C" NOT NULL,
  kind      text NOT NULL CHECK (kind IN ('projection', 'reactor')),
  name      text COLLATE "C" NOT NULL,
  reason    text NOT NULL CHECK (reason <> ''),
  paused_by text NOT NULL CHECK (paused_by <> ''),
  paused_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (app, kind, name)
);

-- The reactors that a worker hosts, by name.
ALTER TABLE refold.workers ADD COLUMN reactors text[] NOT NULL DEFAULT '{}';

-- One row per reactor and partition, moved by compare-and-set on (next_offset, epoch) after the effects.
CREATE TABLE refold.reactor_positions (
  app                   text COLLATE "C" NOT NULL,
  reactor               text COLLATE "C" NOT NULL,
  topic                 text COLLATE "C" NOT NULL,
  partition             integer NOT NULL,
  next_offset           bigint NOT NULL,
  epoch                 bigint NOT NULL DEFAULT 0,
  stream_time           bigint,
  read_count            bigint NOT NULL DEFAULT 0,
  handled_count         bigint NOT NULL DEFAULT 0,
  filtered_count        bigint NOT NULL DEFAULT 0,
  parked_count          bigint NOT NULL DEFAULT 0,
  errata_count          bigint NOT NULL DEFAULT 0,
  control_count         bigint NOT NULL DEFAULT 0,
  fingerprint_offset    bigint,
  fingerprint_timestamp bigint,
  fingerprint_id        text,
  owner                 text,
  stopped_by            jsonb,
  updated_at            timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app, reactor, topic, partition),
  CHECK (read_count = handled_count + filtered_count + parked_count + errata_count + control_count)
) WITH (fillfactor = 50);
COMMENT ON COLUMN refold.reactor_positions.stream_time IS 'highest event time seen, milliseconds since the epoch';

-- Records that a reactor could not handle, and all later ones of their keys, in order, until somebody has them redriven or discards them.
CREATE TABLE refold.reactor_parked (
  app           text COLLATE "C" NOT NULL,
  reactor       text COLLATE "C" NOT NULL,
  topic         text COLLATE "C" NOT NULL,
  partition     integer NOT NULL,
  record_offset bigint NOT NULL,
  record_key    bytea NOT NULL,
  state         text NOT NULL DEFAULT 'parked' CHECK (state IN ('parked', 'redrive', 'discarded')),
  event_index   integer NOT NULL DEFAULT 0,
  event_type    text,
  appended_ms   bigint NOT NULL,
  value         bytea,
  headers       text NOT NULL,
  error_code    text,
  error         text,
  attempts      integer NOT NULL DEFAULT 0,
  parked_at     timestamptz NOT NULL DEFAULT now(),
  decided_by    text,
  decided_at    timestamptz,
  reason        text,
  PRIMARY KEY (app, reactor, topic, partition, record_offset)
);
CREATE INDEX reactor_parked_sequences ON refold.reactor_parked (app, reactor, topic, partition, record_key, record_offset) WHERE state <> 'discarded';
COMMENT ON COLUMN refold.reactor_parked.record_key IS 'empty where the record has none: all such records of a partition are one sequence';
COMMENT ON COLUMN refold.reactor_parked.event_index IS 'those before it, of a record that decodes to several events, were handled';
COMMENT ON COLUMN refold.reactor_parked.error_code IS 'empty for a follower: it was not tried';
COMMENT ON COLUMN refold.reactor_parked.headers IS 'JSON object of texts';
