-- Who has registered a client: nobody but a command where it is empty, the client itself (`self`), or another client, by its id;
-- and the hash of the token with which one that registered itself reads and changes what is registered.
ALTER TABLE sign_in_client ADD COLUMN registrar TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in_client ADD COLUMN management TEXT NOT NULL DEFAULT '';

-- What lets somebody register one client.
CREATE TABLE sign_in_invitation (
    hash TEXT NOT NULL PRIMARY KEY,
    expires BIGINT NOT NULL
);
CREATE INDEX sign_in_invitation_expires ON sign_in_invitation (expires);

-- What else an app is started with, as the answers of the token endpoint have it.
ALTER TABLE sign_in_launch ADD COLUMN context TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in_grant ADD COLUMN context TEXT NOT NULL DEFAULT '';

-- How surely somebody is known, and in which role they act.
ALTER TABLE sign_in_grant ADD COLUMN standing TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in_session ADD COLUMN standing TEXT NOT NULL DEFAULT '';
-- The login service, its name for the person, and its name for their session there.
ALTER TABLE sign_in_session ADD COLUMN provider TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in_session ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE sign_in_session ADD COLUMN sid TEXT NOT NULL DEFAULT '';
CREATE INDEX sign_in_session_subject ON sign_in_session (provider, subject);
