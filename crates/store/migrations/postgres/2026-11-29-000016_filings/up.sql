-- In whose record a resource is that names a patient by NHS number alone: which Patient that was when it was written, so that it
-- stays where it was filed. Without a patient it waits for one, and a Task tells an office.
CREATE TABLE filing (
    resource BIGINT NOT NULL,
    number TEXT NOT NULL,
    patient TEXT NOT NULL,
    task TEXT NOT NULL,
    PRIMARY KEY (resource, number)
);
CREATE INDEX filing_waiting ON filing (number, resource) WHERE patient = '';
