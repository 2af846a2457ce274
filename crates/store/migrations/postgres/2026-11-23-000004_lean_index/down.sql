DROP INDEX history_entry_resource;
ALTER TABLE history_entry ADD PRIMARY KEY (resource, parameter, position);
DROP INDEX entry_resource;
ALTER TABLE entry ADD PRIMARY KEY (resource, parameter, position);
DROP INDEX entry_date;
CREATE INDEX entry_range ON entry (parameter, patient, low, high, resource) WHERE low IS NOT NULL;
DROP INDEX entry_key;
CREATE INDEX entry_key ON entry (parameter, key, patient, resource) WHERE key <> '';
