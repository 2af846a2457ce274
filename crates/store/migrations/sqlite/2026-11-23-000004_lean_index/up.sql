-- A range is looked up resource by resource: no query goes by this index.
DROP INDEX entry_range;
