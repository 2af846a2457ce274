DROP TRIGGER seal_no_delete;
CREATE TRIGGER seal_no_delete BEFORE DELETE ON seal BEGIN SELECT RAISE(ABORT, 'seal is append-only'); END;
DROP TRIGGER audit_agent_no_delete;
CREATE TRIGGER audit_agent_no_delete BEFORE DELETE ON audit_agent
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
DROP TRIGGER audit_patient_no_delete;
CREATE TRIGGER audit_patient_no_delete BEFORE DELETE ON audit_patient
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
DROP TRIGGER audit_no_delete;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
DROP TABLE audit_period;
