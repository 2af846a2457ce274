-- Own words are told of each version. What was kept of a resource is known of its first version only: of the Task of a request (type
-- 139), which the server made, and of a patient's message (type 22) that is still as she wrote it first. Of all else it is not.
CREATE TABLE own_words_by_version (
    resource INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (resource, version)
) WITHOUT ROWID;
INSERT INTO own_words_by_version (resource, version)
SELECT w.resource, 1 FROM own_words w JOIN resource r ON r.rid = w.resource
WHERE r.type = 139 OR (r.type = 22 AND r.version = 1 AND r.author LIKE 'Patient/%');
DROP TABLE own_words;
ALTER TABLE own_words_by_version RENAME TO own_words;
