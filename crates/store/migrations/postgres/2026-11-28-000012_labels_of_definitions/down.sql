DROP VIEW label_link;
CREATE VIEW label_link AS
    SELECT resource, type, id, version FROM label_source
    UNION ALL
    SELECT b.rid, n.type, n.id, CAST(0 AS BIGINT) FROM label_content c
        JOIN resource b ON b.type = c.type AND b.id = c.id
        JOIN resource n ON n.rid = c.resource;
DROP TABLE canonical_name;
DELETE FROM label_source WHERE type = -1;
