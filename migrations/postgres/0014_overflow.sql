-- Of parked events beyond the limits only the position is kept; and which parked events were mirrored to the dead-letter topic.
ALTER TABLE refold.parked_events
  ADD COLUMN kept_topic text COLLATE "C",
  ADD COLUMN kept_partition integer,
  ADD COLUMN kept_offset bigint,
  ADD COLUMN mirrored boolean NOT NULL DEFAULT false,
  ADD CONSTRAINT parked_events_kept CHECK ((kept_topic IS NULL) = (kept_partition IS NULL) AND (kept_topic IS NULL) = (kept_offset IS NULL));
COMMENT ON COLUMN refold.parked_events.kept_topic IS 'where in the log the record lies; key, value and headers are empty here then';
CREATE INDEX parked_events_unmirrored ON refold.parked_events (generation_id, topic, partition, record_offset) WHERE NOT mirrored;
