-- breaking: workers of before do not obey partition barriers and idle advances
-- The stream time of a partition may be advanced several times at one position: the highest counts, all of them are kept.
ALTER TABLE refold.decisions DROP CONSTRAINT decisions_app_projection_kind_topic_partition_record_offset_key;
CREATE UNIQUE INDEX decisions_once ON refold.decisions (app, projection, kind, topic, partition, record_offset) NULLS NOT DISTINCT WHERE kind <> 'idle-advance';
