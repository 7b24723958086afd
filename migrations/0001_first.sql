-- The first schema, one text for SQLite and PostgreSQL. Whole numbers are BIGINT, times are unix
-- milliseconds in columns named *_at_ms, JSON is TEXT that is never queried into, truth is 0 or 1.
-- BYTEA is PostgreSQL's word for bytes; SQLite keeps a blob as a blob whatever the column says.
-- Tables that the journal writes carry no foreign keys: an entry must never be refused because
-- somebody deleted the charger a moment before.

CREATE TABLE id_sequence (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE site (
    site_key BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    region TEXT NOT NULL,
    address TEXT NOT NULL,
    latitude DOUBLE PRECISION,
    longitude DOUBLE PRECISION,
    time_zone TEXT NOT NULL,
    operator TEXT NOT NULL,
    owner TEXT NOT NULL,
    installer_name TEXT,
    installer_email TEXT,
    installer_phone TEXT,
    price_cents_per_kwh BIGINT NOT NULL
);

CREATE TABLE charger (
    charger_key BIGINT PRIMARY KEY,
    identity TEXT NOT NULL UNIQUE,
    site_key BIGINT NOT NULL REFERENCES site (site_key),
    public_id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    vendor TEXT NOT NULL,
    model TEXT NOT NULL,
    serial TEXT NOT NULL,
    firmware TEXT NOT NULL,
    admission TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX charger_site ON charger (site_key);
CREATE INDEX charger_model ON charger (vendor, model);

CREATE TABLE credential (
    charger_key BIGINT NOT NULL REFERENCES charger (charger_key) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    slot BIGINT NOT NULL,
    salt BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    created_at_ms BIGINT NOT NULL,
    PRIMARY KEY (charger_key, kind, slot)
);

CREATE TABLE charger_state (
    charger_key BIGINT PRIMARY KEY,
    saved_at_ms BIGINT NOT NULL,
    connectors BIGINT NOT NULL,
    json TEXT NOT NULL
);

CREATE TABLE charge_transaction (
    transaction_id BIGINT PRIMARY KEY,
    charger_key BIGINT NOT NULL,
    external_id TEXT NOT NULL,
    evse BIGINT NOT NULL,
    connector BIGINT NOT NULL,
    id_token TEXT NOT NULL,
    opened_at_ms BIGINT NOT NULL,
    started_at_ms BIGINT NOT NULL,
    meter_start_wh BIGINT,
    ended_at_ms BIGINT,
    energy_wh DOUBLE PRECISION,
    reason TEXT NOT NULL,
    suspect TEXT,
    json TEXT NOT NULL
);
CREATE INDEX charge_transaction_charger
    ON charge_transaction (charger_key, opened_at_ms, transaction_id);
CREATE INDEX charge_transaction_opened ON charge_transaction (opened_at_ms, transaction_id);
CREATE INDEX charge_transaction_open ON charge_transaction (opened_at_ms, transaction_id)
    WHERE ended_at_ms IS NULL;

CREATE TABLE transaction_orphan (
    id BIGINT PRIMARY KEY,
    charger_key BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    transaction_id BIGINT NOT NULL,
    external_id TEXT NOT NULL
);
CREATE INDEX transaction_orphan_charger ON transaction_orphan (charger_key, id);

CREATE TABLE state_change (
    id BIGINT PRIMARY KEY,
    charger_key BIGINT NOT NULL,
    evse BIGINT NOT NULL,
    connector BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    status TEXT NOT NULL,
    error TEXT NOT NULL
);
CREATE INDEX state_change_charger ON state_change (charger_key, at_ms);

CREATE TABLE link_change (
    id BIGINT PRIMARY KEY,
    charger_key BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    online BIGINT NOT NULL,
    reason TEXT NOT NULL
);
CREATE INDEX link_change_charger ON link_change (charger_key, at_ms);

CREATE TABLE boot (
    id BIGINT PRIMARY KEY,
    charger_key BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    json TEXT NOT NULL
);
CREATE INDEX boot_charger ON boot (charger_key, at_ms);

-- Raw frames, many to a row: see the frame log of the store.
CREATE TABLE frame_block (
    first_seq BIGINT PRIMARY KEY,
    bucket BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    first_at_ms BIGINT NOT NULL,
    last_at_ms BIGINT NOT NULL,
    presence BIGINT NOT NULL,
    records BIGINT NOT NULL,
    data BYTEA NOT NULL
);
CREATE INDEX frame_block_bucket ON frame_block (bucket, last_seq);
CREATE INDEX frame_block_age ON frame_block (last_at_ms);

CREATE TABLE command (
    command_id TEXT PRIMARY KEY,
    row_id BIGINT NOT NULL,
    charger_key BIGINT NOT NULL,
    action TEXT NOT NULL,
    origin TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    json TEXT NOT NULL,
    outcome TEXT,
    answered_at_ms BIGINT,
    late BIGINT NOT NULL
);
CREATE INDEX command_charger ON command (charger_key, row_id);

CREATE TABLE signal_reading (
    id BIGINT PRIMARY KEY,
    charger_key BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    json TEXT NOT NULL
);
CREATE INDEX signal_reading_charger ON signal_reading (charger_key, at_ms);

CREATE TABLE incident (
    incident_id BIGINT PRIMARY KEY,
    state TEXT NOT NULL,
    rule TEXT NOT NULL,
    code TEXT NOT NULL,
    severity BIGINT NOT NULL,
    source TEXT NOT NULL,
    charger_key BIGINT NOT NULL,
    site_key BIGINT NOT NULL,
    needs_person BIGINT NOT NULL,
    had_person BIGINT NOT NULL,
    healed BIGINT NOT NULL,
    title TEXT NOT NULL,
    opened_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    resolved_at_ms BIGINT,
    ticket_id BIGINT,
    json TEXT NOT NULL
);
CREATE INDEX incident_opened ON incident (opened_at_ms, incident_id);
CREATE INDEX incident_updated ON incident (updated_at_ms);
CREATE INDEX incident_charger ON incident (charger_key, opened_at_ms, incident_id);
CREATE INDEX incident_site ON incident (site_key, opened_at_ms);
CREATE INDEX incident_rule ON incident (rule, code, opened_at_ms);
CREATE INDEX incident_state ON incident (state, needs_person);
CREATE INDEX incident_resolved ON incident (resolved_at_ms);
CREATE INDEX incident_ticket ON incident (ticket_id) WHERE ticket_id IS NOT NULL;

CREATE TABLE timeline (
    id BIGINT PRIMARY KEY,
    incident_id BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    json TEXT NOT NULL
);
CREATE INDEX timeline_incident ON timeline (incident_id, id);

CREATE TABLE ticket (
    ticket_id BIGINT PRIMARY KEY,
    status TEXT NOT NULL,
    title TEXT NOT NULL,
    priority TEXT NOT NULL,
    incident_id BIGINT,
    charger_key BIGINT,
    site_key BIGINT,
    assignee TEXT,
    opened_at_ms BIGINT NOT NULL,
    updated_at_ms BIGINT NOT NULL,
    due_at_ms BIGINT,
    last_seq BIGINT NOT NULL,
    json TEXT NOT NULL
);
CREATE INDEX ticket_opened ON ticket (opened_at_ms, ticket_id);
CREATE INDEX ticket_status ON ticket (status);
CREATE INDEX ticket_charger ON ticket (charger_key);
CREATE INDEX ticket_incident ON ticket (incident_id);

CREATE TABLE ticket_event (
    ticket_id BIGINT NOT NULL REFERENCES ticket (ticket_id),
    seq BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    kind TEXT NOT NULL,
    visibility TEXT NOT NULL,
    json TEXT NOT NULL,
    PRIMARY KEY (ticket_id, seq)
);

CREATE TABLE outbox (
    id BIGINT PRIMARY KEY,
    dedupe_key TEXT NOT NULL UNIQUE,
    recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    text_body TEXT NOT NULL,
    html_body TEXT NOT NULL,
    reply_to TEXT,
    ticket_id BIGINT,
    created_at_ms BIGINT NOT NULL,
    not_before_ms BIGINT NOT NULL,
    claimed_until_ms BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    last_error TEXT NOT NULL,
    state TEXT NOT NULL,
    sent_at_ms BIGINT
);
CREATE INDEX outbox_due ON outbox (state, not_before_ms);
CREATE INDEX outbox_created ON outbox (created_at_ms, id);
CREATE INDEX outbox_ticket ON outbox (ticket_id);

CREATE TABLE app_user (
    user_id BIGINT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    role TEXT NOT NULL,
    disabled BIGINT NOT NULL,
    created_at_ms BIGINT NOT NULL
);

CREATE TABLE app_session (
    token_hash BYTEA PRIMARY KEY,
    user_id BIGINT NOT NULL REFERENCES app_user (user_id) ON DELETE CASCADE,
    created_at_ms BIGINT NOT NULL,
    seen_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT NOT NULL,
    remote TEXT NOT NULL
);
CREATE INDEX app_session_user ON app_session (user_id);
CREATE INDEX app_session_expiry ON app_session (expires_at_ms);

CREATE TABLE api_token (
    token_id BIGINT PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE,
    name TEXT NOT NULL,
    scopes TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at_ms BIGINT NOT NULL,
    expires_at_ms BIGINT,
    revoked_at_ms BIGINT,
    used_at_ms BIGINT
);

CREATE TABLE id_token (
    id_token TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    parent TEXT,
    expires_at_ms BIGINT,
    note TEXT NOT NULL
);

CREATE TABLE driver_report (
    reference TEXT PRIMARY KEY,
    row_id BIGINT NOT NULL,
    charger_key BIGINT NOT NULL,
    evse BIGINT,
    connector BIGINT,
    reason TEXT NOT NULL,
    text TEXT NOT NULL,
    contact TEXT NOT NULL,
    incident_id BIGINT,
    created_at_ms BIGINT NOT NULL
);
CREATE INDEX driver_report_charger ON driver_report (charger_key, row_id);
CREATE INDEX driver_report_incident ON driver_report (incident_id);
CREATE INDEX driver_report_row ON driver_report (row_id);

CREATE TABLE kv (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    updated_at_ms BIGINT NOT NULL
);

CREATE TABLE security_event (
    id BIGINT PRIMARY KEY,
    charger_key BIGINT,
    identity TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    info TEXT NOT NULL,
    charger_at_ms BIGINT,
    remote TEXT NOT NULL
);
CREATE INDEX security_event_charger ON security_event (charger_key, id);

CREATE TABLE audit_entry (
    id BIGINT PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX audit_entry_subject ON audit_entry (subject, id);

-- Journal entries that the database refused for good, with its reason: nothing is thrown away.
CREATE TABLE journal_reject (
    id BIGINT PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    error TEXT NOT NULL,
    entry TEXT NOT NULL
);
