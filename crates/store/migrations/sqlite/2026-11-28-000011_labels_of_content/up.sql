-- What a resource shows or has shown, by the key of the resource: content, which is protected as the resource is now. A row
-- stays when the resource shows it no more: older versions do.
CREATE TABLE label_content (
    resource BIGINT NOT NULL,
    type SMALLINT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (type, id, resource)
) WITHOUT ROWID;
CREATE INDEX label_content_resource ON label_content (resource);
-- Everything that hands labels on: a resource to what names it, and to what it shows.
CREATE VIEW label_link AS
    SELECT resource, type, id, version FROM label_source
    UNION ALL
    SELECT b.rid, n.type, n.id, CAST(0 AS BIGINT) FROM label_content c
        JOIN resource b ON b.type = c.type AND b.id = c.id
        JOIN resource n ON n.rid = c.resource;
-- What is stored already gets its rows, and the labels that follow from them, before anybody is answered.
INSERT INTO setting (name, value) SELECT 'effective-labels', 'missing' WHERE EXISTS (SELECT 1 FROM resource)
    ON CONFLICT (name) DO UPDATE SET value = 'missing';
