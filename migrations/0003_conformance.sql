-- What chargers send that is not as the specification says, by model and firmware; and how each
-- charger's messages are to be read.

-- 'server': as the server's setting says; 'tolerant'; 'strict'.
ALTER TABLE charger ADD COLUMN validation TEXT NOT NULL DEFAULT 'server';

-- How many messages were looked at: what the counts below are a part of.
CREATE TABLE conformance_checked (
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    firmware TEXT NOT NULL,
    protocol TEXT NOT NULL,
    message TEXT NOT NULL,
    checked BIGINT NOT NULL,
    first_seen_at_ms BIGINT NOT NULL,
    last_seen_at_ms BIGINT NOT NULL,
    PRIMARY KEY (vendor, model, firmware, protocol, message)
);

CREATE TABLE conformance_deviation (
    deviation_id BIGINT PRIMARY KEY,
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    firmware TEXT NOT NULL,
    protocol TEXT NOT NULL,
    message TEXT NOT NULL,
    place TEXT NOT NULL,
    rule TEXT NOT NULL,
    allowed TEXT NOT NULL,
    example TEXT NOT NULL,
    found BIGINT NOT NULL,
    first_seen_at_ms BIGINT NOT NULL,
    last_seen_at_ms BIGINT NOT NULL,
    UNIQUE (vendor, model, firmware, protocol, message, place, rule)
);

CREATE TABLE conformance_charger (
    deviation_id BIGINT NOT NULL REFERENCES conformance_deviation (deviation_id) ON DELETE CASCADE,
    charger_key BIGINT NOT NULL,
    found BIGINT NOT NULL,
    last_seen_at_ms BIGINT NOT NULL,
    PRIMARY KEY (deviation_id, charger_key)
);
CREATE INDEX conformance_charger_key ON conformance_charger (charger_key);
