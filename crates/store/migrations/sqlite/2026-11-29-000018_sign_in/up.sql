-- What sign-in keeps. Of whatever is secret there is only the SHA-256, in hexadecimal; times are in seconds since 1970 UTC.

-- Clients that commands have registered; those of the settings are not here.
CREATE TABLE sign_in_client (
    id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL,
    changed BIGINT NOT NULL,
    revoked SMALLINT NOT NULL
);

-- What a person has let an app do: the family of all codes and tokens that come of it.
CREATE TABLE sign_in_grant (
    id TEXT NOT NULL PRIMARY KEY,
    client TEXT NOT NULL,
    person TEXT NOT NULL,
    patient TEXT NOT NULL,
    scope TEXT NOT NULL,
    consent TEXT NOT NULL,
    choice TEXT NOT NULL,
    browser TEXT NOT NULL,
    strength SMALLINT NOT NULL,
    authenticated BIGINT NOT NULL,
    begun BIGINT NOT NULL,
    lasts BIGINT NOT NULL,
    used BIGINT NOT NULL,
    ended BIGINT NOT NULL
);
CREATE INDEX sign_in_grant_person ON sign_in_grant (person, client);
CREATE INDEX sign_in_grant_patient ON sign_in_grant (patient);
CREATE INDEX sign_in_grant_consent ON sign_in_grant (consent);
CREATE INDEX sign_in_grant_client ON sign_in_grant (client);

CREATE TABLE sign_in_code (
    hash TEXT NOT NULL PRIMARY KEY,
    family TEXT NOT NULL,
    client TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    challenge TEXT NOT NULL,
    nonce TEXT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT NOT NULL
);
CREATE INDEX sign_in_code_expires ON sign_in_code (expires);

CREATE TABLE sign_in_refresh (
    hash TEXT NOT NULL PRIMARY KEY,
    family TEXT NOT NULL,
    expires BIGINT NOT NULL,
    used BIGINT NOT NULL
);
CREATE INDEX sign_in_refresh_expires ON sign_in_refresh (expires);

-- A token without a family is a client's own.
CREATE TABLE sign_in_access (
    hash TEXT NOT NULL PRIMARY KEY,
    family TEXT NOT NULL,
    client TEXT NOT NULL,
    scope TEXT NOT NULL,
    issued BIGINT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sign_in_access_expires ON sign_in_access (expires);
CREATE INDEX sign_in_access_client ON sign_in_access (client);

CREATE TABLE sign_in_session (
    hash TEXT NOT NULL PRIMARY KEY,
    person TEXT NOT NULL,
    strength SMALLINT NOT NULL,
    begun BIGINT NOT NULL,
    seen BIGINT NOT NULL
);

-- Whom a login service has been asked about, until they come back.
CREATE TABLE sign_in_pending (
    hash TEXT NOT NULL PRIMARY KEY,
    provider TEXT NOT NULL,
    visit TEXT NOT NULL,
    nonce TEXT NOT NULL,
    verifier TEXT NOT NULL,
    request TEXT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX sign_in_pending_expires ON sign_in_pending (expires);

-- Assertions of clients that have been believed, as long as they could be sent again.
CREATE TABLE sign_in_assertion (
    client TEXT NOT NULL,
    hash TEXT NOT NULL,
    expires BIGINT NOT NULL,
    PRIMARY KEY (client, hash)
);
CREATE INDEX sign_in_assertion_expires ON sign_in_assertion (expires);

-- Keys that id tokens are signed with, sealed under the operator's.
CREATE TABLE sign_in_key (
    id TEXT NOT NULL PRIMARY KEY,
    sealed TEXT NOT NULL,
    made BIGINT NOT NULL
);
