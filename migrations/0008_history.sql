-- What is kept of chargers for long: one row a charger for each hour and each day (span_ms says
-- which), so that ninety days are ninety rows however many messages there were.
CREATE TABLE charger_span (
    charger_key BIGINT NOT NULL,
    span_ms BIGINT NOT NULL,
    began_at_ms BIGINT NOT NULL,
    sessions BIGINT NOT NULL,
    energy_wh DOUBLE PRECISION NOT NULL,
    faults BIGINT NOT NULL,
    online_ms BIGINT NOT NULL,
    is_online BIGINT NOT NULL,
    signals BIGINT NOT NULL,
    signal_sum DOUBLE PRECISION NOT NULL,
    signal_min DOUBLE PRECISION,
    signal_max DOUBLE PRECISION,
    PRIMARY KEY (charger_key, span_ms, began_at_ms)
);
CREATE INDEX charger_span_began ON charger_span (span_ms, began_at_ms);
CREATE INDEX charge_transaction_ended ON charge_transaction (ended_at_ms)
    WHERE ended_at_ms IS NOT NULL;
