-- What chargers say of themselves: variables (2.x) and configuration keys (1.6) with their changes,
-- monitors, how far the upkeep is, and what models can do.

CREATE TABLE device_variable (
    charger_key BIGINT NOT NULL,
    name TEXT NOT NULL,
    attribute TEXT NOT NULL,
    component TEXT NOT NULL,
    instance TEXT NOT NULL,
    evse BIGINT,
    connector BIGINT,
    variable TEXT NOT NULL,
    variable_instance TEXT NOT NULL,
    value TEXT,
    cut_from BIGINT,
    mutability TEXT NOT NULL,
    data_type TEXT NOT NULL,
    unit TEXT NOT NULL,
    supports_monitoring BIGINT,
    since_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (charger_key, name, attribute)
);
CREATE INDEX device_variable_since ON device_variable (charger_key, since_ms);

CREATE TABLE variable_change (
    charger_key BIGINT NOT NULL,
    name TEXT NOT NULL,
    attribute TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    value_before TEXT,
    value TEXT,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (charger_key, name, attribute, at_ms)
);
CREATE INDEX variable_change_at ON variable_change (at_ms);

CREATE TABLE device_monitor (
    charger_key BIGINT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    monitor_id BIGINT NOT NULL,
    value DOUBLE PRECISION,
    severity BIGINT NOT NULL,
    status TEXT NOT NULL,
    seen_ms BIGINT NOT NULL,
    PRIMARY KEY (charger_key, name, kind, monitor_id)
);

CREATE TABLE upkeep (
    charger_key BIGINT PRIMARY KEY,
    updated_at_ms BIGINT NOT NULL,
    json TEXT NOT NULL
);

CREATE TABLE capability (
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    firmware TEXT NOT NULL,
    name TEXT NOT NULL,
    works BIGINT NOT NULL,
    not_supported BIGINT NOT NULL,
    not_implemented BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    no_answer BIGINT NOT NULL,
    last_at_ms BIGINT NOT NULL,
    PRIMARY KEY (vendor, model, firmware, name)
);

-- What a person said of a key that may tell of a radio link.
CREATE TABLE signal_key (
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    name TEXT NOT NULL,
    confirmed BIGINT NOT NULL,
    unit TEXT NOT NULL,
    transport TEXT NOT NULL,
    decided_by TEXT NOT NULL,
    decided_at_ms BIGINT NOT NULL,
    PRIMARY KEY (vendor, model, name)
);
