DROP TABLE setting;
DROP TABLE seal;
DROP TABLE audit;
DROP TABLE history_entry;
DROP TABLE history;
DROP TABLE entry;
DROP TABLE resource;
DROP TABLE patient;
