-- Rules and playbooks that people edited in the app: every version, the newest in force. An empty text
-- takes the edit back: the file holds again, or nothing where there is none.
CREATE TABLE rule_text (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    version BIGINT NOT NULL,
    text TEXT NOT NULL,
    note TEXT NOT NULL,
    saved_at_ms BIGINT NOT NULL,
    saved_by TEXT NOT NULL,
    PRIMARY KEY (kind, name, version)
);

-- Whether a rule is on, and how much it may do by itself, where a person decided so.
CREATE TABLE rule_switch (
    name TEXT PRIMARY KEY,
    is_on BIGINT NOT NULL,
    mode TEXT NOT NULL,
    first_at_ms BIGINT NOT NULL,
    changed_at_ms BIGINT NOT NULL,
    changed_by TEXT NOT NULL
);

-- Thresholds of rules, set otherwise for a model, a site or a charger.
CREATE TABLE rule_threshold (
    rule TEXT NOT NULL,
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    name TEXT NOT NULL,
    setting TEXT NOT NULL,
    set_at_ms BIGINT NOT NULL,
    set_by TEXT NOT NULL,
    PRIMARY KEY (rule, target_kind, target, name)
);
