-- What each schema id of a log meant when it was first seen, whichever registry said so.
CREATE TABLE refold.schema_ids (
  app         text        NOT NULL,
  log         text        NOT NULL, -- kind of the event log whose records carry the id
  id          integer     NOT NULL,
  fingerprint text        NOT NULL, -- sha256 of the schema as JSON with sorted keys, hexadecimal
  seen_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app, log, id)
);
