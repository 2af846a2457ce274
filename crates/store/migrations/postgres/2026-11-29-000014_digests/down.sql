DROP TRIGGER history_digest_stays ON history;
ALTER TABLE history DROP COLUMN digest;
ALTER TABLE resource DROP COLUMN digest;
