-- An exclusion that an outage proposes names its incident. What outages propose waits in
-- exclusion_proposal until it is taken over into uptime_exclusion, where a person decides.
ALTER TABLE uptime_exclusion ADD COLUMN incident_id BIGINT;
CREATE INDEX uptime_exclusion_incident ON uptime_exclusion (incident_id);
