-- Until when a charger that was connected before our own server stopped had its chance to come back; NULL
-- in rows from before, which gave none.
ALTER TABLE server_gap ADD COLUMN grace_until_ms BIGINT;
