-- Every comparison of a replay with the rows that differed, so that it can be shown again later.
CREATE TABLE refold.verifications (
  verification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  replay_id       bigint NOT NULL REFERENCES refold.replays ON DELETE CASCADE,
  by_whom         text NOT NULL,
  verdict         jsonb NOT NULL,
  at              timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX verifications_of_replay ON refold.verifications (replay_id, verification_id);

CREATE TABLE refold.verification_rows (
  verification_id bigint NOT NULL REFERENCES refold.verifications ON DELETE CASCADE,
  member          integer NOT NULL,
  kind            text NOT NULL CHECK (kind IN ('before', 'after', 'changed')),
  ordinal         integer NOT NULL,
  key             json NOT NULL,
  changes         json NOT NULL,
  PRIMARY KEY (verification_id, member, kind, ordinal)
);
COMMENT ON COLUMN refold.verification_rows.member IS 'which of the members of the verdict, from 0';
