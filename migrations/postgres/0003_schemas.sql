-- Avro schemas by id: the registry of the embedded default.
CREATE TABLE refold.schemas (
  app         text        NOT NULL,
  id          integer     NOT NULL CHECK (id > 0),
  subject     text        NOT NULL,
  fingerprint text        NOT NULL, -- sha256 of the text, hexadecimal
  schema      text        NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app, id),
  UNIQUE (app, subject, fingerprint)
);
