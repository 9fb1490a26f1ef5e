-- How fast and when a replay may fold, and whether somebody has paused it. Desired state: workers obey it.
CREATE TABLE refold.replay_paces (
  replay_id    bigint PRIMARY KEY REFERENCES refold.replays (replay_id) ON DELETE CASCADE,
  rate         integer CHECK (rate > 0),
  concurrency  integer CHECK (concurrency > 0),
  hours        text[] NOT NULL DEFAULT '{}',
  yield_ms     integer CHECK (yield_ms > 0),
  pause_reason text CHECK (pause_reason <> ''),
  paused_by    text CHECK (paused_by <> ''),
  paused_at    timestamptz,
  CHECK ((pause_reason IS NULL) = (paused_at IS NULL) AND (paused_by IS NULL) = (paused_at IS NULL))
);
COMMENT ON COLUMN refold.replay_paces.rate IS 'events per second, all generations and workers together';
COMMENT ON COLUMN refold.replay_paces.concurrency IS 'generations that are rebuilt at a time';
COMMENT ON COLUMN refold.replay_paces.hours IS 'HH:MM-HH:MM and a time zone; outside of all of them nothing is folded';
COMMENT ON COLUMN refold.replay_paces.yield_ms IS 'slower while what readers see lags behind the log by more milliseconds';
INSERT INTO refold.replay_paces (replay_id) SELECT replay_id FROM refold.replays;
-- Indexes of the candidate are made when it has folded what there was at the start.
CREATE INDEX replay_members_to ON refold.replay_members (to_id) WHERE to_id IS NOT NULL;
