-- Own words are told of each version. What was kept of a resource is known of its first version only: of the Task of a request (type
-- 139), which the server made, and of a patient's message (type 22) that is still as she wrote it first. Of all else it is not.
DELETE FROM own_words WHERE NOT EXISTS (
    SELECT 1 FROM resource r WHERE r.rid = own_words.resource
        AND (r.type = 139 OR (r.type = 22 AND r.version = 1 AND r.author LIKE 'Patient/%')));
ALTER TABLE own_words ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
ALTER TABLE own_words ALTER COLUMN version DROP DEFAULT;
ALTER TABLE own_words DROP CONSTRAINT own_words_pkey;
ALTER TABLE own_words ADD PRIMARY KEY (resource, version);
