-- What covers more than a day, by when it began: the earliest of a record are read by it and by entry_latest. Next to nothing does.
CREATE INDEX entry_wide ON entry (parameter, patient, low, resource) WHERE high > low + 86400000;
-- What is part of several records, as part of those that its row does not name: the parameter is that of records.
CREATE INDEX entry_joint ON entry (key, patient, resource) WHERE position > 0 AND parameter = 539442875;
