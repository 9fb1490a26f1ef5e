-- The control schema: generations of read models, their checkpoints, replays, workers, recorded decisions.
-- Every key includes the application's name, so that several applications can share one database.

CREATE TABLE refold.generations (
  generation_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app             text NOT NULL,
  projection      text NOT NULL,
  store           text NOT NULL,
  version         integer NOT NULL,
  run             integer NOT NULL,
  status          text NOT NULL CHECK (status IN ('candidate', 'active', 'standby', 'retired')),
  model           text NOT NULL,
  view_schema     text NOT NULL,
  table_name      text NOT NULL,
  storage         text NOT NULL CHECK (storage IN ('rows', 'merged', 'partials')),
  columns         jsonb NOT NULL,
  consumer_group  text NOT NULL,
  topics          text[] NOT NULL,
  definition_hash text NOT NULL,
  source_hash     text NOT NULL,
  definition      jsonb NOT NULL,
  errata_version  integer NOT NULL DEFAULT 0,
  first_build     boolean NOT NULL DEFAULT false,
  heads_at_start  jsonb NOT NULL DEFAULT '{}',
  created_at      timestamptz NOT NULL DEFAULT now(),
  activated_at    timestamptz,
  retired_at      timestamptz,
  UNIQUE (app, projection, store, version, run)
);

CREATE UNIQUE INDEX generations_one_active ON refold.generations (app, projection, store) WHERE status = 'active';
CREATE UNIQUE INDEX generations_one_candidate ON refold.generations (app, projection, store) WHERE status = 'candidate';

-- One row per generation and partition. Whoever folds a partition moves next_offset by compare-and-set on
-- (next_offset, epoch) in the transaction that writes the rows.
CREATE TABLE refold.checkpoints (
  generation_id         bigint NOT NULL REFERENCES refold.generations ON DELETE CASCADE,
  topic                 text NOT NULL,
  partition             integer NOT NULL,
  next_offset           bigint NOT NULL,
  epoch                 bigint NOT NULL DEFAULT 0,
  stream_time           bigint,
  read_count            bigint NOT NULL DEFAULT 0,
  applied_count         bigint NOT NULL DEFAULT 0,
  filtered_count        bigint NOT NULL DEFAULT 0,
  late_count            bigint NOT NULL DEFAULT 0,
  parked_count          bigint NOT NULL DEFAULT 0,
  discarded_count       bigint NOT NULL DEFAULT 0,
  errata_count          bigint NOT NULL DEFAULT 0,
  control_count         bigint NOT NULL DEFAULT 0,
  fingerprint_offset    bigint,
  fingerprint_timestamp bigint,
  fingerprint_id        text,
  -- A batch for a store outside of this database, recorded before its rows are written; settled before anything else.
  intent_to             bigint,
  intent                jsonb,
  hold_at               bigint,
  hold_until            timestamptz,
  owner                 text,
  stopped_by            jsonb,
  updated_at            timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (generation_id, topic, partition),
  CHECK (read_count = applied_count + filtered_count + late_count + parked_count + discarded_count + errata_count + control_count)
) WITH (fillfactor = 50);

-- Contributions that came after their window had closed: kept aside with their position, never silently dropped.
CREATE TABLE refold.late_contributions (
  generation_id bigint NOT NULL REFERENCES refold.generations ON DELETE CASCADE,
  topic         text NOT NULL,
  partition     integer NOT NULL,
  record_offset bigint NOT NULL,
  ordinal       integer NOT NULL,
  event_time    bigint NOT NULL,
  stream_time   bigint NOT NULL,
  window_start  bigint NOT NULL,
  contribution  jsonb NOT NULL,
  PRIMARY KEY (generation_id, topic, partition, record_offset, ordinal)
);

-- Facts that influence folding and are not in the log; obeyed by the live generation and by every replay.
CREATE TABLE refold.decisions (
  decision_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app           text NOT NULL,
  projection    text,
  kind          text NOT NULL CHECK (kind IN ('discard', 'idle-advance', 'partition-barrier', 'errata')),
  topic         text NOT NULL,
  partition     integer NOT NULL,
  record_offset bigint NOT NULL,
  facts         jsonb NOT NULL DEFAULT '{}',
  decided_by    text NOT NULL,
  reason        text NOT NULL,
  decided_at    timestamptz NOT NULL DEFAULT now(),
  UNIQUE NULLS NOT DISTINCT (app, projection, kind, topic, partition, record_offset)
);

CREATE TABLE refold.workers (
  app        text NOT NULL,
  worker     text NOT NULL,
  host       text NOT NULL,
  pid        integer NOT NULL,
  announced  jsonb NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app, worker)
);

-- A replay owns a set of generations that switch together.
CREATE TABLE refold.replays (
  replay_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app         text NOT NULL,
  state       text NOT NULL CHECK (state IN
                ('planned', 'provisioning', 'replaying', 'catching-up', 'verifying', 'ready', 'cutting-over', 'done', 'aborted')),
  direction   text NOT NULL DEFAULT 'forward' CHECK (direction IN ('forward', 'back')),
  options     jsonb NOT NULL DEFAULT '{}',
  verdict     jsonb,
  error       jsonb,
  started_by  text NOT NULL,
  lease_owner text,
  lease_until timestamptz,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE refold.replay_members (
  replay_id    bigint NOT NULL REFERENCES refold.replays ON DELETE CASCADE,
  projection   text NOT NULL,
  store        text NOT NULL,
  version      integer NOT NULL,
  run          integer NOT NULL,
  switch_order integer NOT NULL DEFAULT 0,
  from_id      bigint REFERENCES refold.generations,
  to_id        bigint REFERENCES refold.generations,
  PRIMARY KEY (replay_id, projection, store)
);

CREATE TABLE refold.replay_steps (
  replay_id  bigint NOT NULL REFERENCES refold.replays ON DELETE CASCADE,
  step       integer NOT NULL,
  from_state text,
  to_state   text NOT NULL,
  by_whom    text NOT NULL,
  facts      jsonb NOT NULL DEFAULT '{}',
  at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (replay_id, step)
);
