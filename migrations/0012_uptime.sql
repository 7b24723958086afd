-- Uptime ledgers: for every connector and day the classes of its minutes, as spans. They outlive the
-- changes of states that they were folded from. Exclusions and opening hours are laid over them when
-- they are read.
CREATE TABLE uptime_day (
    charger_key BIGINT NOT NULL,
    evse BIGINT NOT NULL,
    connector BIGINT NOT NULL,
    day_at_ms BIGINT NOT NULL,
    spans TEXT NOT NULL,
    folded_at_ms BIGINT NOT NULL,
    PRIMARY KEY (charger_key, evse, connector, day_at_ms)
);
CREATE INDEX uptime_day_day ON uptime_day (day_at_ms);

-- Minutes that a rule does not count, each with evidence; they count when a person approved them.
CREATE TABLE uptime_exclusion (
    id BIGINT PRIMARY KEY,
    site_key BIGINT NOT NULL,
    charger_key BIGINT,
    evse BIGINT,
    connector BIGINT,
    from_at_ms BIGINT NOT NULL,
    until_at_ms BIGINT NOT NULL,
    reason TEXT NOT NULL,
    evidence TEXT NOT NULL,
    decision TEXT NOT NULL,
    proposed_by TEXT NOT NULL,
    proposed_at_ms BIGINT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at_ms BIGINT
);
CREATE INDEX uptime_exclusion_site ON uptime_exclusion (site_key, from_at_ms);

CREATE TABLE site_hours (
    site_key BIGINT PRIMARY KEY,
    hours TEXT NOT NULL
);

-- When our own server was down: nobody knows what chargers did.
CREATE TABLE server_gap (
    id BIGINT PRIMARY KEY,
    from_at_ms BIGINT NOT NULL,
    until_at_ms BIGINT NOT NULL
);
