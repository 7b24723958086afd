-- INSERT OR REPLACE deletes what is in its way without asking the triggers of deletion, so it is refused
-- before. The same line once more is passed over: a try whose answer got lost is made again.
CREATE TRIGGER audit_entry_once BEFORE INSERT ON audit_entry
WHEN EXISTS (SELECT 1 FROM audit_entry WHERE id = NEW.id)
    OR (NEW.rowid > 0 AND EXISTS (SELECT 1 FROM audit_entry WHERE rowid = NEW.rowid))
BEGIN
    SELECT CASE
        WHEN EXISTS (SELECT 1 FROM audit_entry WHERE id = NEW.id AND at_ms = NEW.at_ms
            AND actor = NEW.actor AND action = NEW.action AND subject = NEW.subject
            AND detail = NEW.detail)
        THEN RAISE(IGNORE)
        ELSE RAISE(ABORT, 'the audit log is append-only')
    END;
END;
-- There is one head, which is moved and never put anew.
CREATE TRIGGER audit_head_once BEFORE INSERT ON audit_head
WHEN EXISTS (SELECT 1 FROM audit_head)
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
