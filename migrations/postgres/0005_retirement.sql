-- A retired generation keeps its table for a while. What was retired before has no time: whoever comes by drops it, once more.

ALTER TABLE refold.generations
  ADD COLUMN drop_at    timestamptz,
  ADD COLUMN dropped_at timestamptz,
  -- The replay that retired it; a first build that gave way belongs to none.
  ADD COLUMN retired_by bigint REFERENCES refold.replays;
