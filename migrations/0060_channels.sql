-- 0060_channels.sql - endpoints of the servers' options: which of them some server still has, and how all endpoints fared.
--
-- A channel (EventBridge, SNS, CloudWatch, a mail address) is an endpoint that no one makes at the API: servers that were
-- started with its option renew it. One that nobody renews any more is switched off ('unconfigured').
ALTER TABLE endpoints
    ADD COLUMN renewed_at timestamptz,                  -- by a server that has the option; NULL: webhooks
    ADD COLUMN delivered bigint NOT NULL DEFAULT 0,     -- deliveries that arrived, since the endpoint was made
    ADD COLUMN failed bigint NOT NULL DEFAULT 0,        -- attempts that did not
    ADD COLUMN last_error json;                         -- of the last one that did not: as GET /channels shows it

-- How many are dead is asked by /channels, /problems and /metrics.
CREATE INDEX deliveries_dead ON deliveries (endpoint_id) WHERE state = 'dead';
