-- Which of the rows of a generation readers see: windows that are closed, rows that meet conditions, rows that are young enough.
ALTER TABLE refold.generations ADD COLUMN publication jsonb;
COMMENT ON COLUMN refold.generations.publication IS 'conditions of the view over its rows; none: readers see all of them';
