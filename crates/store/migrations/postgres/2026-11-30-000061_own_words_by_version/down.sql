DELETE FROM own_words WHERE NOT EXISTS (
    SELECT 1 FROM resource r WHERE r.rid = own_words.resource AND r.version = own_words.version);
ALTER TABLE own_words DROP CONSTRAINT own_words_pkey;
ALTER TABLE own_words DROP COLUMN version;
ALTER TABLE own_words ADD PRIMARY KEY (resource);
