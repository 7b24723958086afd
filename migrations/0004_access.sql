-- How each charger may come in: what a person asked for, what it has reached, whose certificate is
-- its own. Its secrets stay in `credential`: slot 0 is the one in force, slot 1 the one it was told
-- and may or may not have taken; kind `basic` is a keyed hash, `argon2` a slow one.
CREATE TABLE charger_access (
    charger_key BIGINT PRIMARY KEY REFERENCES charger (charger_key) ON DELETE CASCADE,
    profile_required BIGINT NOT NULL,
    profile_reached BIGINT NOT NULL,
    certificate_name TEXT NOT NULL,
    certificate_sha256 TEXT NOT NULL,
    key_spelling TEXT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);
