DROP INDEX entry_latest;
ALTER TABLE entry DROP COLUMN dated;
