-- The events that systems have handed in, by when they were recorded, which they say themselves: as the number that an event of
-- then would have. The server's own were recorded when they came, in the order of their numbers.
CREATE TABLE audit_recorded (
    pk INTEGER NOT NULL PRIMARY KEY,
    patient BIGINT NOT NULL,
    place BIGINT NOT NULL
);
INSERT INTO audit_recorded (pk, patient, place) SELECT a.pk, a.patient,
    max(-2199023255552, min(2199023255551, (CASE WHEN a.body = '' THEN a.at ELSE coalesce((SELECT (365 * y + y /
    4 - y / 100 + y / 400 + (153 * m + 2) / 5 + CAST(substr(r, 9, 2) AS BIGINT) - 719469) * 86400000 +
    CAST(substr(r, 12, 2) AS BIGINT) * 3600000 + CAST(substr(r, 15, 2) AS BIGINT) * 60000 + CASE WHEN substr(r,
    18, 2) = '60' THEN 59999 ELSE CAST(substr(r, 18, 2) AS BIGINT) * 1000 + CAST(substr(substr(r, 21, n) ||
    '000', 1, 3) AS BIGINT) END - CASE WHEN substr(r, length(r), 1) = 'Z' THEN 0 ELSE (CAST(substr(r, length(r)
    - 4, 2) AS BIGINT) * 3600000 + CAST(substr(r, length(r) - 1, 2) AS BIGINT) * 60000) * CASE WHEN substr(r,
    length(r) - 5, 1) = '-' THEN -1 ELSE 1 END END FROM (SELECT r, CAST(substr(r, 1, 4) AS BIGINT) - CASE WHEN
    substr(r, 6, 2) IN ('01', '02') THEN 1 ELSE 0 END AS y, CAST(substr(r, 6, 2) AS BIGINT) + CASE WHEN
    substr(r, 6, 2) IN ('01', '02') THEN 9 ELSE -3 END AS m, CASE WHEN substr(r, 20, 1) <> '.' THEN 0 WHEN
    substr(r, 22, 1) IN ('Z', '+', '-') THEN 1 WHEN substr(r, 23, 1) IN ('Z', '+', '-') THEN 2 ELSE 3 END AS n
    FROM (SELECT json_extract(a.body, '$.recorded') AS r LIMIT 1) said) read), a.at) END) - 1704067200000)) *
    4194304
    FROM audit a WHERE a.body <> '';
CREATE INDEX audit_recorded_of ON audit_recorded (patient, place, pk);
CREATE INDEX audit_recorded_all ON audit_recorded (place, pk);
CREATE TRIGGER audit_recorded_no_update BEFORE UPDATE ON audit_recorded
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_recorded_no_delete BEFORE DELETE ON audit_recorded
    WHEN OLD.pk > (SELECT coalesce(max(last), -1) FROM audit_period)
    BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
