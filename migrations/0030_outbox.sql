-- 0030_outbox.sql - what goes out: endpoints, one delivery per (endpoint, event), and a log of every attempt.
--
-- Deliveries are expanded from the numbered event log, in its order, from one cursor. A delivery that waits is a row with its
-- time; the lease of an attempt is (lease_owner, lease_token) with wake_at as its end, as in steps. Any replica may deliver.

-- Where events go. kind 'webhook' is made by people at /webhooks; other kinds (AWS's channels, mail) by the server's options.
CREATE TABLE endpoints (
    id          text PRIMARY KEY,
    kind        text NOT NULL,
    name        text,
    url         text,
    types       text[] NOT NULL DEFAULT '{}',  -- globs as given: 'run.*'; empty: all
    patterns    text[] NOT NULL DEFAULT '{}',  -- the same for LIKE
    configs     text[] NOT NULL DEFAULT '{}',  -- empty: all, and what belongs to none
    settings    jsonb NOT NULL DEFAULT '{}',   -- what the kind needs besides
    secret      text,                          -- sealed: 'v1.<key id>.<base64>'; never in the clear
    old_secret  text,                          -- during a rotation, until
    old_secret_until timestamptz,
    after_seq   bigint NOT NULL DEFAULT 0,     -- events up to here are none of its business
    is_enabled  boolean NOT NULL DEFAULT true, -- people's switch
    disabled_at timestamptz, disabled_reason text, -- the server's: 'gone', 'failing'
    failing_since timestamptz,                 -- no success since
    failures    integer NOT NULL DEFAULT 0,    -- in a row
    not_before  timestamptz,                   -- Retry-After of the endpoint
    last_success_at timestamptz, last_failure_at timestamptz,
    created_by  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX endpoints_by_name ON endpoints (kind, name) WHERE name IS NOT NULL;
CREATE INDEX endpoints_newest ON endpoints (kind, id DESC);

CREATE TABLE deliveries (
    id          text PRIMARY KEY,
    endpoint_id text NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    event_id    text NOT NULL,
    event_type  text NOT NULL,
    state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
    reason      text,                          -- of a dead one: 'exhausted', 'gone', 'disabled', 'refused', 'expired'
    attempts    integer NOT NULL DEFAULT 0,    -- in all: the number of the last row of the log
    tries       integer NOT NULL DEFAULT 0,    -- since the last replay: the place in the table of waits
    wake_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_owner text,
    lease_token bigint NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    UNIQUE (endpoint_id, event_id),
    CHECK ((state = 'pending') = (finished_at IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, wake_at, event_id) WHERE state = 'pending';
CREATE INDEX deliveries_next ON deliveries (wake_at) WHERE state = 'pending';
CREATE INDEX deliveries_newest ON deliveries (endpoint_id, id DESC);
CREATE INDEX deliveries_age ON deliveries (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE delivery_attempts (
    delivery_id text NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    number      integer NOT NULL,
    at          timestamptz NOT NULL,
    is_success  boolean NOT NULL,
    status      integer,                       -- HTTP status; NULL: there was no answer
    latency_ms  bigint,
    error_class text,                          -- 'status', 'timeout', 'unreachable', 'tls', 'redirect', 'protocol', …
    excerpt     text,                          -- first KiB of the answer, redacted
    PRIMARY KEY (delivery_id, number)
);

-- How far the log has been expanded.
CREATE TABLE outbox_cursor (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    last_seq  bigint NOT NULL
);
INSERT INTO outbox_cursor (last_seq) SELECT last_seq FROM event_counter;
