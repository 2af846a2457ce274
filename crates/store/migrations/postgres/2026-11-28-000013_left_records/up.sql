-- Which records a resource has left that came to be about somebody else, with the key of the last version that was in each:
-- what it was there stays in the history and log of that record.
CREATE TABLE left_record (
    resource BIGINT NOT NULL,
    patient BIGINT NOT NULL,
    last BIGINT NOT NULL,
    PRIMARY KEY (resource, patient)
);
CREATE INDEX left_record_patient ON left_record (patient);
-- Of what moved before this was kept, where it was in one record and then in another.
INSERT INTO left_record (resource, patient, last)
SELECT h.rid, h.patient, max(h.pk) FROM history h JOIN resource r ON r.rid = h.rid
WHERE h.patient <> 0 AND h.patients <= 1 AND r.patients <= 1 AND h.patient <> r.patient
GROUP BY h.rid, h.patient;
