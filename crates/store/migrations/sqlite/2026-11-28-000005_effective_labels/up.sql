-- What a version inherits labels from: a row for each local reference that hands them on, of current versions under the key
-- of the resource and of superseded ones under their own. Where a version is named it has its number, else 0. Those of a
-- deleted resource stay, and so do its labels.
CREATE TABLE label_source (
    resource BIGINT NOT NULL,
    type SMALLINT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    PRIMARY KEY (resource, type, id, version)
) WITHOUT ROWID;
CREATE INDEX label_source_target ON label_source (type, id, resource);
-- The resources whose labels have changed, or gone (1), and whose dependents have not all followed: up to which key they have.
CREATE TABLE label_backlog (
    going SMALLINT NOT NULL,
    type SMALLINT NOT NULL,
    id TEXT NOT NULL,
    done BIGINT NOT NULL,
    PRIMARY KEY (going, type, id)
) WITHOUT ROWID;
-- A superseded version stays what it was; the labels in effect follow what it names.
DROP TRIGGER history_no_update;
CREATE TRIGGER history_no_update BEFORE UPDATE OF pk, rid, type, id, version, updated, method, deleted, patient, patients, author, body
    ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
-- What is stored already gets its rows, and the labels that follow from them, before anybody is answered.
INSERT INTO setting (name, value) SELECT 'effective-labels', 'missing' WHERE EXISTS (SELECT 1 FROM resource);
