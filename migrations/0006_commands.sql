-- When a command left for its charger, and until when it may wait for a charger that is away. A
-- command with an end of waiting, without an outcome and never sent, still waits.

ALTER TABLE command ADD COLUMN sent_at_ms BIGINT;
ALTER TABLE command ADD COLUMN wait_until_ms BIGINT;
CREATE INDEX command_waiting ON command (row_id)
    WHERE wait_until_ms IS NOT NULL AND outcome IS NULL AND sent_at_ms IS NULL;
CREATE INDEX command_open ON command (row_id) WHERE outcome IS NULL;
