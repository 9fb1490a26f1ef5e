-- What is kept of groups lies in a table of its own beside the rows for readers.
ALTER TABLE refold.generations
  DROP CONSTRAINT generations_storage_check,
  ADD CONSTRAINT generations_storage_check CHECK (storage IN ('rows', 'merged', 'partials', 'groups'));
