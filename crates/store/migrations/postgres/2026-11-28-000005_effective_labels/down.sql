DROP TRIGGER history_append_only ON history;
CREATE TRIGGER history_append_only BEFORE UPDATE OR DELETE ON history FOR EACH ROW EXECUTE FUNCTION append_only();
DELETE FROM setting WHERE name IN ('effective-labels', 'labels-on-their-way');
DROP TABLE label_backlog;
DROP TABLE label_source;
