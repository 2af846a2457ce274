CREATE INDEX entry_range ON entry (parameter, patient, low, high, resource) WHERE low IS NOT NULL;
