-- One index for what is found by a key and for the latest of a record: of every row that bears a date there were two, and each
-- is another page of a commit. Rows of one key that bear no date are in no order, which nothing asks for.
DROP INDEX entry_latest;
DROP INDEX entry_key;
CREATE INDEX entry_key ON entry (parameter, key, patient, dated DESC, resource) WHERE key <> '';
