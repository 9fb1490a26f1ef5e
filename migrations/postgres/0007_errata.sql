-- What is wrong in the log and how it is read instead. Rows are only ever added: the newest one of a position, up to the version
-- that a generation has pinned (refold.generations.errata_version), says how that generation reads the event.
CREATE TABLE refold.errata (
  app           text COLLATE "C" NOT NULL,
  version       integer NOT NULL CHECK (version > 0),
  action        text NOT NULL CHECK (action IN ('skip', 'replace', 'withdraw')),
  topic         text COLLATE "C" NOT NULL,
  partition     integer NOT NULL,
  record_offset bigint NOT NULL,
  event_id      text NOT NULL,
  withdraws     integer,
  event_type    text,
  event         text,
  value         bytea,
  event_time    bigint,
  full_replay   boolean NOT NULL,
  reason        text NOT NULL CHECK (reason <> ''),
  decided_by    text NOT NULL CHECK (decided_by <> ''),
  decided_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (app, version),
  CHECK ((action = 'withdraw') = (withdraws IS NOT NULL)),
  CHECK (num_nulls(event_type, event, value, event_time) = CASE WHEN action = 'replace' THEN 0 ELSE 4 END)
);
COMMENT ON COLUMN refold.errata.event_id IS 'CloudEvents id of the event in the log, empty where it has none';
COMMENT ON COLUMN refold.errata.withdraws IS 'version of the erratum that is not in force any more';
COMMENT ON COLUMN refold.errata.event IS 'the replacement as JSON, for people';
COMMENT ON COLUMN refold.errata.value IS 'the replacement in the wire format, for readers';
COMMENT ON COLUMN refold.errata.event_time IS 'of the replacement, milliseconds since the epoch';
COMMENT ON COLUMN refold.errata.full_replay IS 'the stream time may be another with it, so nothing less than a replay of everything applies it';
