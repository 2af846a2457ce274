-- Apps that somebody starts from another one, with the patient and the encounter that they look at, until the app asks.
CREATE TABLE sign_in_launch (
    hash TEXT NOT NULL PRIMARY KEY,
    client TEXT NOT NULL,
    person TEXT NOT NULL,
    patient TEXT NOT NULL,
    encounter TEXT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sign_in_launch_expires ON sign_in_launch (expires);
ALTER TABLE sign_in_grant ADD COLUMN encounter TEXT NOT NULL DEFAULT '';
