DROP TRIGGER history_digest_stays;
ALTER TABLE history DROP COLUMN digest;
ALTER TABLE resource DROP COLUMN digest;
