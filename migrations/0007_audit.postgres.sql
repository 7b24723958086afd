-- What is in the chain stays as it is.
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER audit_entry_stays BEFORE UPDATE ON audit_entry FOR EACH ROW
    WHEN (OLD.seq IS NOT NULL) EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_entry_kept BEFORE DELETE ON audit_entry FOR EACH ROW
    EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_entry_whole BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT
    EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_head_kept BEFORE DELETE ON audit_head FOR EACH ROW
    EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_head_whole BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT
    EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_head_grows BEFORE UPDATE ON audit_head FOR EACH ROW
    WHEN (NEW.seq < OLD.seq) EXECUTE FUNCTION audit_is_append_only();
