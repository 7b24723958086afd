-- What configuration keys should be: for a model, a site or one charger. The nearest one counts.
CREATE TABLE desired_key (
    target_kind TEXT NOT NULL,
    target TEXT NOT NULL,
    name TEXT NOT NULL,
    setting TEXT NOT NULL,
    set_by TEXT NOT NULL,
    set_at_ms BIGINT NOT NULL,
    PRIMARY KEY (target_kind, target, name)
);
