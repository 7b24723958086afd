-- What belongs together: incidents that others explain, outages and who was in them, what people
-- merged, vehicles that fail everywhere, and which firmware a charger had when.
ALTER TABLE incident ADD COLUMN breadth TEXT NOT NULL DEFAULT 'charger';
-- The incident that explains this one or that it was merged into.
ALTER TABLE incident ADD COLUMN parent_id BIGINT;
-- Whether anything keeps it quiet: a parent, a silence, a maintenance window.
ALTER TABLE incident ADD COLUMN quiet BIGINT NOT NULL DEFAULT 0;
CREATE INDEX incident_parent ON incident (parent_id) WHERE parent_id IS NOT NULL;

-- Times proposed to be excluded from a charger's uptime, with what shows it.
CREATE TABLE exclusion_proposal (
    incident_id BIGINT NOT NULL,
    charger_key BIGINT NOT NULL,
    from_ms BIGINT NOT NULL,
    until_ms BIGINT NOT NULL,
    cause TEXT NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (incident_id, charger_key, from_ms)
);
CREATE INDEX exclusion_proposal_charger ON exclusion_proposal (charger_key, from_ms);

-- What people merged and split. Suggestions learn from it.
CREATE TABLE incident_merge (
    id BIGINT PRIMARY KEY,
    incident_id BIGINT NOT NULL,
    into_id BIGINT NOT NULL,
    rule TEXT NOT NULL,
    into_rule TEXT NOT NULL,
    merged_at_ms BIGINT NOT NULL,
    merged_by TEXT NOT NULL,
    split_at_ms BIGINT,
    split_by TEXT
);
CREATE INDEX incident_merge_incident ON incident_merge (incident_id);

CREATE TABLE vehicle_suspect (
    token TEXT PRIMARY KEY,
    since_ms BIGINT NOT NULL,
    last_at_ms BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    sites BIGINT NOT NULL,
    cleared_at_ms BIGINT
);

CREATE TABLE charger_firmware (
    charger_key BIGINT NOT NULL,
    since_ms BIGINT NOT NULL,
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    firmware TEXT NOT NULL,
    PRIMARY KEY (charger_key, since_ms)
);
