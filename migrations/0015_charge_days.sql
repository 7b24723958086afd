-- What became of charging at a charger on a day, as sums that add up over days, sites and models.
CREATE TABLE charge_day (
    charger_key BIGINT NOT NULL,
    day_at_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    started BIGINT NOT NULL,
    completed BIGINT NOT NULL,
    excused BIGINT NOT NULL,
    visits BIGINT NOT NULL,
    visits_first BIGINT NOT NULL,
    visits_succeeded BIGINT NOT NULL,
    PRIMARY KEY (charger_key, day_at_ms)
);
CREATE INDEX charge_day_day ON charge_day (day_at_ms);
