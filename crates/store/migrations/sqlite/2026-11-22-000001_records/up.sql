-- docs/ARCHITECTURE.md, "Storage", says what each table is for. The PostgreSQL copy differs in type names, triggers and indexes only.
CREATE TABLE patient (
    key INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    access_version BIGINT NOT NULL DEFAULT 0
);
-- Key 0 stands for "nobody's record"; its access version covers what is not about one patient (roles).
INSERT INTO patient (key, id) VALUES (0, '');

CREATE TABLE resource (
    rid INTEGER NOT NULL PRIMARY KEY,
    type SMALLINT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    method SMALLINT NOT NULL,
    deleted SMALLINT NOT NULL,
    patient BIGINT NOT NULL,
    patients SMALLINT NOT NULL,
    author TEXT NOT NULL,
    labels TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX resource_id ON resource (type, id);
CREATE INDEX resource_updated ON resource (type, updated, rid);
CREATE INDEX resource_record ON resource (patient, type, updated, rid);

CREATE TABLE entry (
    resource BIGINT NOT NULL,
    parameter INTEGER NOT NULL,
    position INTEGER NOT NULL,
    patient BIGINT NOT NULL,
    key TEXT NOT NULL,
    low DOUBLE,
    high DOUBLE,
    PRIMARY KEY (resource, parameter, position)
) WITHOUT ROWID;
CREATE INDEX entry_key ON entry (parameter, key, patient, resource) WHERE key <> '';
CREATE INDEX entry_range ON entry (parameter, patient, low, high, resource) WHERE low IS NOT NULL;

CREATE TABLE history (
    pk INTEGER NOT NULL PRIMARY KEY,
    rid BIGINT NOT NULL,
    type SMALLINT NOT NULL,
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    updated BIGINT NOT NULL,
    method SMALLINT NOT NULL,
    deleted SMALLINT NOT NULL,
    patient BIGINT NOT NULL,
    patients SMALLINT NOT NULL,
    author TEXT NOT NULL,
    labels TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX history_version ON history (rid, version);
CREATE INDEX history_updated ON history (type, updated, pk);
CREATE INDEX history_record ON history (patient, updated, pk);

CREATE TABLE history_entry (
    resource BIGINT NOT NULL,
    parameter INTEGER NOT NULL,
    position INTEGER NOT NULL,
    patient BIGINT NOT NULL,
    key TEXT NOT NULL,
    low DOUBLE,
    high DOUBLE,
    PRIMARY KEY (resource, parameter, position)
) WITHOUT ROWID;

-- The labels that somebody put beside a resource, without a new version of it: who and when.
CREATE TABLE overlay (
    resource BIGINT NOT NULL,
    key TEXT NOT NULL,
    author TEXT NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (resource, key, author)
);

-- That a professional broke the glass for a patient.
CREATE TABLE broken_glass (
    patient BIGINT NOT NULL,
    since BIGINT NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (patient, since, who)
);

CREATE TABLE audit (
    pk INTEGER NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    interaction SMALLINT NOT NULL,
    outcome SMALLINT NOT NULL,
    patient BIGINT NOT NULL,
    agent TEXT NOT NULL,
    client TEXT NOT NULL,
    purpose TEXT NOT NULL,
    type SMALLINT NOT NULL,
    entity TEXT NOT NULL,
    version BIGINT NOT NULL,
    query TEXT NOT NULL,
    reason TEXT NOT NULL,
    request TEXT NOT NULL,
    body TEXT NOT NULL
);

-- The log by patient and by agent, entered late: up to the watermark all events are in both, above it none is.
-- PostgreSQL has indexes of the same names.
CREATE TABLE audit_patient (
    patient BIGINT NOT NULL,
    pk BIGINT NOT NULL,
    PRIMARY KEY (patient, pk)
) WITHOUT ROWID;
CREATE TABLE audit_agent (
    agent TEXT NOT NULL,
    pk BIGINT NOT NULL,
    PRIMARY KEY (agent, pk)
) WITHOUT ROWID;
CREATE TABLE audit_watermark (
    pk BIGINT NOT NULL
);
INSERT INTO audit_watermark (pk) VALUES (0);

-- The hash chain over the audit log: each row seals the records it lists and the row before it.
CREATE TABLE seal (
    number INTEGER NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    previous TEXT NOT NULL,
    last BIGINT NOT NULL,
    records TEXT NOT NULL,
    head TEXT NOT NULL
);
CREATE INDEX seal_last ON seal (last);

-- Values that every node must share: the key that cursors are signed with.
CREATE TABLE setting (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

-- Append-only, whoever holds the connection.
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_patient_no_update BEFORE UPDATE ON audit_patient
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_patient_no_delete BEFORE DELETE ON audit_patient
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_agent_no_update BEFORE UPDATE ON audit_agent
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_agent_no_delete BEFORE DELETE ON audit_agent
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_watermark_rises BEFORE UPDATE ON audit_watermark WHEN NEW.pk < OLD.pk
    BEGIN SELECT RAISE(ABORT, 'the watermark only rises'); END;
CREATE TRIGGER audit_watermark_stays BEFORE DELETE ON audit_watermark
    BEGIN SELECT RAISE(ABORT, 'the watermark only rises'); END;
CREATE TRIGGER history_no_update BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER history_no_delete BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
CREATE TRIGGER seal_no_update BEFORE UPDATE ON seal BEGIN SELECT RAISE(ABORT, 'seal is append-only'); END;
CREATE TRIGGER seal_no_delete BEFORE DELETE ON seal BEGIN SELECT RAISE(ABORT, 'seal is append-only'); END;
