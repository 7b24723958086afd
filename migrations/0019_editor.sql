-- What people try before it counts: rules on trial and what they found, and rules tried on the past.
ALTER TABLE rule_switch ADD COLUMN on_trial BIGINT NOT NULL DEFAULT 0;

CREATE TABLE rule_trial (
    rule TEXT NOT NULL,
    charger_key BIGINT NOT NULL,
    evse BIGINT NOT NULL,
    connector BIGINT NOT NULL,
    opened_at_ms BIGINT NOT NULL,
    ended_at_ms BIGINT,
    -- Whether a person would have been asked.
    asks BIGINT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (rule, charger_key, evse, connector, opened_at_ms)
);
CREATE INDEX rule_trial_newest ON rule_trial (rule, opened_at_ms);

CREATE TABLE rule_replay (
    replay_id BIGINT PRIMARY KEY,
    started_at_ms BIGINT NOT NULL,
    json TEXT NOT NULL
);
