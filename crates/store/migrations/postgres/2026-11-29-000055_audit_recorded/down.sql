DROP TABLE audit_recorded;
CREATE OR REPLACE FUNCTION closed_only() RETURNS trigger LANGUAGE plpgsql AS $$
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
