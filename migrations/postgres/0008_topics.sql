-- How the topics of the log in this database are kept. A topic that is not here is kept for ever.
CREATE TABLE refold.log_topics (
  app          text COLLATE "C" NOT NULL,
  topic        text COLLATE "C" NOT NULL,
  retention_ms bigint CHECK (retention_ms >= 0),
  PRIMARY KEY (app, topic)
);
