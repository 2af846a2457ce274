ALTER TABLE sign_in_grant DROP COLUMN encounter;
DROP TABLE sign_in_launch;
