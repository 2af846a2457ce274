-- The periods of the log that have been closed: their links and records are in signed files, and may be deleted here.
CREATE TABLE audit_period (
    number INTEGER NOT NULL PRIMARY KEY,
    after BIGINT NOT NULL,
    previous TEXT NOT NULL,
    at BIGINT NOT NULL,
    last BIGINT NOT NULL,
    head TEXT NOT NULL,
    records BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    file TEXT NOT NULL,
    public_key TEXT NOT NULL,
    signature TEXT NOT NULL
);
CREATE TRIGGER audit_period_no_update BEFORE UPDATE ON audit_period
    BEGIN SELECT RAISE(ABORT, 'audit_period is append-only'); END;
CREATE TRIGGER audit_period_no_delete BEFORE DELETE ON audit_period
    BEGIN SELECT RAISE(ABORT, 'audit_period is append-only'); END;
DROP TRIGGER audit_no_delete;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit WHEN OLD.pk > (SELECT coalesce(max(last), -1) FROM audit_period)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
DROP TRIGGER audit_patient_no_delete;
CREATE TRIGGER audit_patient_no_delete BEFORE DELETE ON audit_patient
    WHEN OLD.pk > (SELECT coalesce(max(last), -1) FROM audit_period)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
DROP TRIGGER audit_agent_no_delete;
CREATE TRIGGER audit_agent_no_delete BEFORE DELETE ON audit_agent
    WHEN OLD.pk > (SELECT coalesce(max(last), -1) FROM audit_period)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
DROP TRIGGER seal_no_delete;
CREATE TRIGGER seal_no_delete BEFORE DELETE ON seal WHEN OLD.number > (SELECT coalesce(max(number), -1) FROM audit_period)
    BEGIN SELECT RAISE(ABORT, 'seal is append-only'); END;
