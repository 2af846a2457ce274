DROP INDEX entry_key;
CREATE INDEX entry_key ON entry (parameter, key, patient, resource) WHERE key <> '';
CREATE INDEX entry_latest ON entry (parameter, key, patient, dated DESC, resource) WHERE dated IS NOT NULL;
