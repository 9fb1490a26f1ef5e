-- breaking: workers of before do not obey what is decided about late contributions
-- Which of the rows of a generation readers see: windows that are closed, rows that meet conditions, rows that are young enough.
ALTER TABLE refold.generations ADD COLUMN publication jsonb;
COMMENT ON COLUMN refold.generations.publication IS 'conditions of the view over its rows; none: readers see all of them';

-- Up to when a generation has heard everything: the least stream time of its partitions, and of what is parked the stream time
-- at which it was read, because by that it will be judged. Null while one of them has none. Stream time never goes back in a
-- partition, so of what is parked there the first counts. Asked by the views of readers, who need no rights on this schema.
CREATE FUNCTION refold.stream_time(generation bigint) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT CASE WHEN bool_and(c.stream_time IS NOT NULL AND (p.record_offset IS NULL OR p.stream_time IS NOT NULL))
    THEN least(min(c.stream_time), min(p.stream_time)) END
  FROM refold.checkpoints c
  LEFT JOIN LATERAL (
    SELECT e.record_offset, e.stream_time FROM refold.parked_events e
    WHERE e.generation_id = c.generation_id AND e.topic = c.topic AND e.partition = c.partition ORDER BY e.record_offset LIMIT 1) p ON true
  WHERE c.generation_id = generation
$$;

-- Late contributions that count after all: decided once, obeyed by every generation of the projection, replays included.
ALTER TABLE refold.decisions DROP CONSTRAINT decisions_kind_check;
ALTER TABLE refold.decisions
  ADD CONSTRAINT decisions_kind_check CHECK (kind IN ('discard', 'idle-advance', 'partition-barrier', 'errata', 'readmit'));
