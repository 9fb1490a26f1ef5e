-- Generations that a correction builds apart: by the process that corrects, followed by no worker, seen by no reader.
ALTER TABLE refold.generations DROP CONSTRAINT generations_status_check;
ALTER TABLE refold.generations
  ADD CONSTRAINT generations_status_check CHECK (status IN ('candidate', 'active', 'standby', 'retired', 'apart'));

-- Repairs, audits and models as of a moment: who, when, why, what, and how far they are.
CREATE TABLE refold.corrections (
  correction_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  app           text COLLATE "C" NOT NULL,
  kind          text NOT NULL CHECK (kind IN ('repair', 'audit', 'until')),
  projection    text COLLATE "C" NOT NULL,
  store         text NOT NULL,
  target_id     bigint NOT NULL REFERENCES refold.generations,
  apart_id      bigint REFERENCES refold.generations,
  state         text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'given-up')),
  resumable     boolean NOT NULL,
  request       jsonb NOT NULL,
  progress      jsonb NOT NULL DEFAULT '{}',
  result        jsonb,
  error         jsonb,
  reason        text NOT NULL,
  by_whom       text NOT NULL CHECK (by_whom <> ''),
  lease_owner   text,
  lease_until   timestamptz,
  started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at      timestamptz
);
COMMENT ON COLUMN refold.corrections.target_id IS 'the generation that is repaired, audited, or of whose version a model is built';
COMMENT ON COLUMN refold.corrections.apart_id IS 'the generation built for it';
COMMENT ON COLUMN refold.corrections.resumable IS 'the same command goes on with it; else whoever comes by after its process died clears it away';
CREATE UNIQUE INDEX corrections_one_repair ON refold.corrections (target_id) WHERE kind = 'repair' AND state = 'running';

-- The keys that a repair is about, where they are not told by the rows themselves.
CREATE TABLE refold.correction_keys (
  correction_id bigint NOT NULL REFERENCES refold.corrections ON DELETE CASCADE,
  key           text COLLATE "C" NOT NULL,
  PRIMARY KEY (correction_id, key)
);
