-- Who is told of incidents. What people set is read whole at the start and written one thing at a time:
-- routes are a file; rotas, persons' wishes, silences, maintenance windows and what is known of places
-- are here, one row each.
CREATE TABLE duty_document (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    json TEXT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (kind, name)
);

-- How far the chain of each incident is that is not over.
CREATE TABLE duty_case (
    incident_id BIGINT PRIMARY KEY,
    json TEXT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

-- What somebody is to be told: groups that wait, and what is kept for one mail with all.
CREATE TABLE duty_inbox (
    name TEXT PRIMARY KEY,
    json TEXT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

-- Photos of drivers' reports, without what cameras add: no place, no time, no device.
CREATE TABLE report_photo (
    id BIGINT PRIMARY KEY,
    reference TEXT NOT NULL,
    kind TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    data BYTEA NOT NULL
);
CREATE INDEX report_photo_reference ON report_photo (reference);
