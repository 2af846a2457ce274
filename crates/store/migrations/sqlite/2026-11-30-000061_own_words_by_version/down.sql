CREATE TABLE own_words_of_all (
    resource INTEGER NOT NULL PRIMARY KEY
);
INSERT INTO own_words_of_all (resource)
SELECT w.resource FROM own_words w JOIN resource r ON r.rid = w.resource AND r.version = w.version;
DROP TABLE own_words;
ALTER TABLE own_words_of_all RENAME TO own_words;
