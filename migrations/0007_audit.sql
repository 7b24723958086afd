-- The audit log as a chain: each row holds the hash of the row before it, so that an edited or
-- deleted row is found, and a head holds the last one, so that a missing end is found too. Rows that
-- were there before get their places at the first start (the hash is made by the program).

ALTER TABLE audit_entry ADD COLUMN seq BIGINT;
ALTER TABLE audit_entry ADD COLUMN hash TEXT;
CREATE INDEX audit_entry_seq ON audit_entry (seq);
CREATE INDEX audit_entry_actor ON audit_entry (actor, id);

CREATE TABLE audit_head (
    head_id BIGINT PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash TEXT NOT NULL
);

-- Who was erased: salted hashes of tokens, never the tokens. With them an erasure is made again
-- after a restore from a copy of before it.
CREATE TABLE erasure (
    hash TEXT PRIMARY KEY,
    salt TEXT NOT NULL,
    pseudonym TEXT NOT NULL,
    erased_at_ms BIGINT NOT NULL,
    erased_by TEXT NOT NULL
);
