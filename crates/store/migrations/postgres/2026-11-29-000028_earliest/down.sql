DROP INDEX entry_joint;
DROP INDEX entry_wide;
