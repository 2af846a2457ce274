-- Who made the current version of a resource that gives power what it is: told from who was signed in, never from what it
-- says. Without a row it is not known.
CREATE TABLE given_by (
    resource INTEGER NOT NULL PRIMARY KEY,
    kind SMALLINT NOT NULL,
    who TEXT NOT NULL,
    client TEXT NOT NULL
);

-- Of the Consents that there are (type 28), who wrote one first tells the most: a person close to the patient wrote none,
-- so one in such a name is a system's, and a professional only proposed.
INSERT INTO given_by (resource, kind, who, client)
SELECT rid,
    CASE WHEN author LIKE 'Patient/%' THEN 1
         WHEN author LIKE 'Practitioner%' AND body NOT LIKE '%"status":"active"%' THEN 4
         ELSE 2 END,
    author,
    ''
FROM resource WHERE type = 28 AND deleted = 0;
