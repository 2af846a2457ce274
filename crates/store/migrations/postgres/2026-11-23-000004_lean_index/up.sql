-- Without the resource's own number most rows of the index of keys are equal to another's (the same status, code or
-- subject in one record), and PostgreSQL keeps equal ones once. The rows of a resource are few: its number finds them.
DROP INDEX entry_key;
CREATE INDEX entry_key ON entry (parameter, key, patient) WHERE key <> '';
-- Within a record a range is looked up resource by resource. Among all records dates are what is searched for.
DROP INDEX entry_range;
CREATE INDEX entry_date ON entry (parameter, low) WHERE low IS NOT NULL AND key = '';
ALTER TABLE entry DROP CONSTRAINT entry_pkey;
CREATE INDEX entry_resource ON entry (resource);
ALTER TABLE history_entry DROP CONSTRAINT history_entry_pkey;
CREATE INDEX history_entry_resource ON history_entry (resource);

-- The quicker way to compress, where this PostgreSQL has it.
DO $$
BEGIN
    ALTER TABLE resource ALTER COLUMN body SET COMPRESSION lz4;
    ALTER TABLE history ALTER COLUMN body SET COMPRESSION lz4;
EXCEPTION WHEN OTHERS THEN
    NULL;
END
$$;
