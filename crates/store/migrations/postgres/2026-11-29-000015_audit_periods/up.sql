-- The periods of the log that have been closed: their links and records are in signed files, and may be deleted here.
CREATE TABLE audit_period (
    number BIGINT NOT NULL PRIMARY KEY,
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
CREATE TRIGGER audit_period_append_only BEFORE UPDATE OR DELETE ON audit_period FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE FUNCTION closed_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'audit' THEN
        IF OLD.pk <= (SELECT max(last) FROM audit_period) THEN
            RETURN OLD;
        END IF;
    ELSIF OLD.number <= (SELECT max(number) FROM audit_period) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END
$$;
DROP TRIGGER audit_append_only ON audit;
CREATE TRIGGER audit_append_only BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER audit_closed_only BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION closed_only();
DROP TRIGGER seal_append_only ON seal;
CREATE TRIGGER seal_append_only BEFORE UPDATE ON seal FOR EACH ROW EXECUTE FUNCTION append_only();
CREATE TRIGGER seal_closed_only BEFORE DELETE ON seal FOR EACH ROW EXECUTE FUNCTION closed_only();
