DROP TRIGGER seal_closed_only ON seal;
DROP TRIGGER seal_append_only ON seal;
CREATE TRIGGER seal_append_only BEFORE UPDATE OR DELETE ON seal FOR EACH ROW EXECUTE FUNCTION append_only();
DROP TRIGGER audit_closed_only ON audit;
DROP TRIGGER audit_append_only ON audit;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION append_only();
DROP FUNCTION closed_only();
DROP TABLE audit_period;
