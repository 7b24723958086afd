-- Transactions that lose no money: what was said of each, what is odd about it and who looked at
-- it; orphans whole; tokens with their kind; local lists, reservations and charging profiles.

-- 0 sound, 1 somebody should look, 2 the money is wrong. `suspect` is the worst sentence.
ALTER TABLE charge_transaction ADD COLUMN severity BIGINT NOT NULL DEFAULT 0;
ALTER TABLE charge_transaction ADD COLUMN findings BIGINT NOT NULL DEFAULT 0;
ALTER TABLE charge_transaction ADD COLUMN looked_at_ms BIGINT;
ALTER TABLE charge_transaction ADD COLUMN looked_by TEXT;
ALTER TABLE charge_transaction ADD COLUMN look_note TEXT;
CREATE INDEX charge_transaction_suspect ON charge_transaction (opened_at_ms, transaction_id)
    WHERE severity > 0;
CREATE INDEX charge_transaction_unseen ON charge_transaction (severity)
    WHERE severity > 0 AND looked_at_ms IS NULL;

CREATE TABLE transaction_finding (
    transaction_id BIGINT NOT NULL,
    code TEXT NOT NULL,
    hard BIGINT NOT NULL,
    sentence TEXT NOT NULL,
    found_at_ms BIGINT NOT NULL,
    cleared_at_ms BIGINT,
    PRIMARY KEY (transaction_id, code)
);

-- What was suspect before there were codes.
INSERT INTO transaction_finding (transaction_id, code, hard, sentence, found_at_ms)
    SELECT transaction_id,
        CASE WHEN suspect LIKE '%backwards%' THEN 'REGISTER_BACKWARDS' ELSE 'NO_REGISTER' END,
        1, suspect, COALESCE(ended_at_ms, opened_at_ms)
    FROM charge_transaction WHERE suspect IS NOT NULL;
UPDATE charge_transaction SET severity = 2, findings = 1 WHERE suspect IS NOT NULL;

CREATE TABLE transaction_note (
    id BIGINT PRIMARY KEY,
    transaction_id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    frame BIGINT NOT NULL,
    json TEXT NOT NULL
);
CREATE INDEX transaction_note_of ON transaction_note (transaction_id, id);

-- The whole end, where it was kept; which transaction it turned out to belong to.
ALTER TABLE transaction_orphan ADD COLUMN json TEXT;
ALTER TABLE transaction_orphan ADD COLUMN frame BIGINT NOT NULL DEFAULT 0;
ALTER TABLE transaction_orphan ADD COLUMN joined BIGINT;
ALTER TABLE transaction_orphan ADD COLUMN looked_at_ms BIGINT;
ALTER TABLE transaction_orphan ADD COLUMN looked_by TEXT;
ALTER TABLE transaction_orphan ADD COLUMN look_note TEXT;
CREATE INDEX transaction_orphan_at ON transaction_orphan (at_ms, id);

ALTER TABLE id_token ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE id_token ADD COLUMN updated_at_ms BIGINT NOT NULL DEFAULT 0;
CREATE INDEX id_token_parent ON id_token (parent);

-- What a charger should know by heart, and what it knows.
CREATE TABLE local_list (
    charger_key BIGINT PRIMARY KEY,
    wanted TEXT NOT NULL,
    token_group TEXT,
    version BIGINT NOT NULL,
    charger_version BIGINT,
    state TEXT NOT NULL,
    problem TEXT NOT NULL,
    sent_at_ms BIGINT,
    json TEXT NOT NULL
);

CREATE TABLE reservation (
    reservation_id BIGINT PRIMARY KEY,
    charger_key BIGINT NOT NULL,
    evse BIGINT NOT NULL,
    connector BIGINT NOT NULL,
    id_token TEXT NOT NULL,
    parent TEXT,
    state TEXT NOT NULL,
    problem TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    changed_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    transaction_id BIGINT
);
CREATE INDEX reservation_charger ON reservation (charger_key, reservation_id);
CREATE INDEX reservation_open ON reservation (expires_at_ms) WHERE state = 'accepted';

CREATE TABLE charging_profile (
    profile_id BIGINT PRIMARY KEY,
    charger_key BIGINT NOT NULL,
    evse BIGINT NOT NULL,
    purpose TEXT NOT NULL,
    stack_level BIGINT NOT NULL,
    transaction_id BIGINT,
    state TEXT NOT NULL,
    problem TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at_ms BIGINT NOT NULL,
    changed_at_ms BIGINT NOT NULL,
    json TEXT NOT NULL
);
CREATE INDEX charging_profile_charger ON charging_profile (charger_key, profile_id);
