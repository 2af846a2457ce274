DROP TABLE sign_in_key;
DROP TABLE sign_in_assertion;
DROP TABLE sign_in_session;
DROP TABLE sign_in_access;
DROP TABLE sign_in_refresh;
DROP TABLE sign_in_code;
DROP TABLE sign_in_grant;
DROP TABLE sign_in_client;
