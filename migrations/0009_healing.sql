-- What healing must remember over a restart: outcomes by model, code and rung, breakers and canaries,
-- how long models take to start, at which hours sites are used, what is off for single chargers. A
-- row replaces the one of the same kind and key when its revision is higher; 'null' is forgotten.
CREATE TABLE heal_memory (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    revision BIGINT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (kind, name)
);
