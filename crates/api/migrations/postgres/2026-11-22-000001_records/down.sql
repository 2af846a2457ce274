DROP TABLE setting;
DROP TABLE audit;
DROP TABLE history_entry;
DROP TABLE history;
DROP TABLE entry;
DROP TABLE resource;
DROP TABLE patient;
DROP FUNCTION append_only();
