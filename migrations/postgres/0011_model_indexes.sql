-- Indexes that were asked for by command: the tables of later generations of the read model get them too.
CREATE TABLE refold.model_indexes (
  app      text COLLATE "C" NOT NULL,
  model    text COLLATE "C" NOT NULL,
  columns  text[] NOT NULL,
  added_by text NOT NULL,
  added_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (app, model, columns)
);
