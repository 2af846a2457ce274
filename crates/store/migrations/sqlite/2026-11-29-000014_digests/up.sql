-- What every version was when it was stored (`store::digest`), so that it can be told later whether it still is; 0 for what an
-- older release has stored, until `concord verify --fill`.
ALTER TABLE resource ADD COLUMN digest BIGINT NOT NULL DEFAULT 0;
ALTER TABLE history ADD COLUMN digest BIGINT NOT NULL DEFAULT 0;
CREATE TRIGGER history_digest_stays BEFORE UPDATE OF digest ON history WHEN OLD.digest <> 0
    BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
