-- Events that could not be folded, with all later events of their key, in order, until they are folded after all or discarded.
CREATE TABLE refold.parked_sequences (
  generation_id bigint NOT NULL REFERENCES refold.generations ON DELETE CASCADE,
  topic         text COLLATE "C" NOT NULL,
  partition     integer NOT NULL,
  sequence      text COLLATE "C" NOT NULL,
  head_offset   bigint NOT NULL,
  head_type     text NOT NULL,
  events        integer NOT NULL CHECK (events > 0),
  code          text NOT NULL,
  message       text NOT NULL,
  remedy        text NOT NULL,
  attempts      integer NOT NULL,
  first_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_touched  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (generation_id, topic, partition, sequence)
);
COMMENT ON COLUMN refold.parked_sequences.sequence IS 'the record key as text, base64:... where it is none, empty for records without a key';
COMMENT ON COLUMN refold.parked_sequences.head_offset IS 'first event of the sequence: the one that failed';
COMMENT ON COLUMN refold.parked_sequences.code IS 'why the first event failed; empty where it waits to be tried';

CREATE TABLE refold.parked_events (
  generation_id    bigint NOT NULL REFERENCES refold.generations ON DELETE CASCADE,
  topic            text COLLATE "C" NOT NULL,
  partition        integer NOT NULL,
  record_offset    bigint NOT NULL,
  sequence         text COLLATE "C" NOT NULL,
  event_type       text NOT NULL,
  record_key       bytea,
  value            bytea,
  headers          json NOT NULL,
  record_timestamp bigint NOT NULL,
  erratum          integer,
  stream_time      bigint,
  parked_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (generation_id, topic, partition, record_offset)
);
COMMENT ON COLUMN refold.parked_events.stream_time IS 'of the partition when the event was read, the event included; a later fold judges by it';
CREATE INDEX parked_events_sequence ON refold.parked_events (generation_id, topic, partition, sequence, record_offset);
