DROP TRIGGER history_no_update;
CREATE TRIGGER history_no_update BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append-only'); END;
DELETE FROM setting WHERE name IN ('effective-labels', 'labels-on-their-way');
DROP TABLE label_backlog;
DROP TABLE label_source;
