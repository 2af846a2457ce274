DROP TABLE audit_recorded;
