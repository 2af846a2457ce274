-- The canonical urls by which a definition is or has been meant, by the key of the resource. What names a definition by its
-- url has a row in label_source with that url as its id and -1 as its type. That stands here too, so that nobody comes to look
-- for all that names any definition.
CREATE TABLE canonical_name (
    resource BIGINT NOT NULL,
    type SMALLINT NOT NULL DEFAULT -1,
    url TEXT NOT NULL,
    PRIMARY KEY (url, type, resource)
) WITHOUT ROWID;
CREATE INDEX canonical_name_resource ON canonical_name (resource);
-- Everything that hands labels on: a resource to what names it, by its address or its url, and to what it shows.
DROP VIEW label_link;
CREATE VIEW label_link AS
    SELECT resource, type, id, version FROM label_source
    UNION ALL
    SELECT b.rid, n.type, n.id, CAST(0 AS BIGINT) FROM label_content c
        JOIN resource b ON b.type = c.type AND b.id = c.id
        JOIN resource n ON n.rid = c.resource
    UNION ALL
    SELECT s.resource, d.type, d.id, CAST(0 AS BIGINT) FROM label_source s
        JOIN canonical_name c ON c.url = s.id AND c.type = s.type
        JOIN resource d ON d.rid = c.resource;
-- What is stored already gets its rows, and the labels that follow from them, before anybody is answered.
INSERT INTO setting (name, value) SELECT 'effective-labels', 'missing' WHERE EXISTS (SELECT 1 FROM resource)
    ON CONFLICT (name) DO UPDATE SET value = 'missing';
