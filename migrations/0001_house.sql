-- 0001_house.sql - the tables everything stands on: desired state, runs and steps, the event log, schedules, tokens.
--
-- The database holds the waiting. A position of a run is a row; a lease is (lease_owner, lease_token) on the step row, and its
-- time is wake_at. CHECK constraints tie a state to its timestamps. Times are the database's clock.

-- What this database is bound to at first contact: account, region and kind of endpoint never change afterwards.
CREATE TABLE server_identity (
    singleton     boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    deployment_id text NOT NULL,
    account_id    text,
    region        text,
    endpoint_kind text CHECK (endpoint_kind IN ('aws', 'custom', 'simulator')),
    created_at    timestamptz NOT NULL DEFAULT now()
);

-- Desired state ----------------------------------------------------------------------------------------------------
CREATE TABLE configs (
    name        text PRIMARY KEY,
    version     bigint NOT NULL,
    sync        text NOT NULL DEFAULT 'unknown' CHECK (sync IN ('synced', 'outOfSync', 'unknown')),
    sync_reason text, sync_message text,
    sync_since  timestamptz NOT NULL DEFAULT now(),
    health      text NOT NULL DEFAULT 'missing' CHECK (health IN ('healthy', 'progressing', 'degraded', 'missing')),
    health_reason text, health_message text,
    health_since timestamptz NOT NULL DEFAULT now(),
    observed_version bigint,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE config_versions (
    config     text NOT NULL REFERENCES configs (name) ON DELETE CASCADE,
    version    bigint NOT NULL,
    document   json NOT NULL,   -- as given: json keeps the order of members
    effective  json NOT NULL,   -- defaults, derived names and inherited tags filled in
    sha256     text NOT NULL,   -- of the canonical document: the same document makes no new version
    message text, revision text, url text,
    created_by text,            -- token id
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (config, version)
);

-- Inventory: a resource key is a place in the desired state ("campaign/shop-home"); the row holds what lives there now.
CREATE TABLE resources (
    key           text PRIMARY KEY,
    config        text REFERENCES configs (name) ON DELETE SET NULL,
    kind          text NOT NULL,
    name          text NOT NULL,
    arn           text,
    status        text,             -- Amazon Personalize's own words; NULL: never seen
    is_adopted    boolean NOT NULL DEFAULT false,
    desired       json,
    observed      jsonb,
    drift         jsonb,            -- list of {field, desired, observed}; NULL or []: none
    failure_reason text,
    details       jsonb NOT NULL DEFAULT '{}', -- trackingId, pins, …
    run_id        text,             -- the last run that worked on it
    aws_created_at timestamptz, aws_updated_at timestamptz,
    observed_at   timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX resources_by_config ON resources (config, kind);
CREATE INDEX resources_by_arn ON resources (arn);

CREATE TABLE solution_versions (
    arn            text PRIMARY KEY,
    solution       text NOT NULL,
    config         text REFERENCES configs (name) ON DELETE SET NULL,
    name           text,
    status         text NOT NULL,
    training_mode  text, training_type text,
    training_hours double precision,
    metrics        jsonb,
    failure_reason text,
    run_id         text,
    is_adopted     boolean NOT NULL DEFAULT false,
    aws_created_at timestamptz, aws_updated_at timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX solution_versions_by_solution ON solution_versions (solution, aws_created_at DESC);

-- Runs and steps ---------------------------------------------------------------------------------------------------
CREATE TYPE run_state AS ENUM ('queued', 'running', 'succeeded', 'failed', 'cancelling', 'cancelled');
CREATE TYPE step_state AS ENUM ('blocked', 'ready', 'waiting', 'succeeded', 'failed', 'skipped', 'cancelled');

CREATE TABLE runs (
    id          text PRIMARY KEY,
    config      text REFERENCES configs (name) ON DELETE SET NULL,
    config_version bigint,
    kind        text NOT NULL,
    state       run_state NOT NULL DEFAULT 'queued',
    result      text,               -- of a finished run: 'changed', 'unchanged', 'skipped'
    reason      text,               -- one sentence: why it failed, was skipped, waits
    trigger     text NOT NULL DEFAULT 'api' CHECK (trigger IN ('api', 'apply', 'schedule', 'hook', 'retry')),
    schedule_id text,
    nominal_at  timestamptz,
    retry_of    text,
    options     json NOT NULL DEFAULT '{}',
    claims      text[] NOT NULL DEFAULT '{}', -- resource keys it must hold, sorted
    overlap     text NOT NULL DEFAULT 'queue' CHECK (overlap IN ('queue', 'skip', 'cancelOther', 'allow')),
    open_steps  integer NOT NULL DEFAULT 0,
    total_steps integer NOT NULL DEFAULT 0,
    created_by  text,
    cancel_requested_at timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    started_at  timestamptz,
    finished_at timestamptz,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CHECK ((state IN ('succeeded', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK (state <> 'queued' OR started_at IS NULL)
);
CREATE INDEX runs_newest ON runs (id DESC);
CREATE INDEX runs_by_config ON runs (config, id DESC);
CREATE INDEX runs_queued ON runs (created_at, id) WHERE state = 'queued';
CREATE INDEX runs_open ON runs (id) WHERE state IN ('running', 'cancelling');

-- Mutual exclusion: a running run holds one row per resource it works on.
CREATE TABLE run_claims (
    resource_key text PRIMARY KEY,
    run_id       text NOT NULL REFERENCES runs (id) ON DELETE CASCADE
);
CREATE INDEX run_claims_by_run ON run_claims (run_id);

CREATE TABLE steps (
    id           text PRIMARY KEY,
    run_id       text NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    ordinal      integer NOT NULL,
    kind         text NOT NULL,
    verb         text NOT NULL,     -- 'ensure', 'renew', 'delete', 'stop', …
    name         text NOT NULL,     -- of the resource; for per-run kinds of the slot
    resource_key text NOT NULL,
    pointer      text,              -- into the config's document
    state        step_state NOT NULL DEFAULT 'blocked',
    blocked_by   integer NOT NULL DEFAULT 0,
    -- what is wanted
    request      json NOT NULL DEFAULT '{}',   -- service members, without references
    tags         json NOT NULL DEFAULT '[]',
    refs         jsonb NOT NULL DEFAULT '{}',  -- request member -> resource key whose ARN goes there
    options      json NOT NULL DEFAULT '{}',   -- maxAge, source, adopt, …
    -- the lease
    wake_at      timestamptz NOT NULL DEFAULT 'infinity',
    lease_owner  text,
    lease_token  bigint NOT NULL DEFAULT 0,
    claims       integer NOT NULL DEFAULT 0,   -- without a checkpoint in between; 20 quarantine the step
    checkpoint_id bigint,
    -- the intent (write-ahead of the create protocol)
    attempt      integer NOT NULL DEFAULT 1,
    intent_state text NOT NULL DEFAULT 'none' CHECK (intent_state IN ('none', 'planned', 'maybe_sent', 'saved')),
    intent_op    text,
    intent_name  text,
    intent_request json,
    sends        integer NOT NULL DEFAULT 0,
    last_mark_at timestamptz,
    ambiguous_at timestamptz,       -- mark of the last send whose outcome is not known for certain
    spent        integer NOT NULL DEFAULT 0,   -- sends that may have bought something, over all attempts (the fuse)
    baseline     text,              -- newest sibling known before the first mark (solution versions)
    failures     integer NOT NULL DEFAULT 0,   -- consecutive, for the backoff
    -- what is known
    arn          text,
    aws_status   text,
    waiting_for  text,
    waiting_since timestamptz,
    looks        integer NOT NULL DEFAULT 0,
    result       text,              -- 'created', 'adopted', 'updated', 'unchanged', 'skipped', 'deleted'
    reason       text,
    failure      json,              -- {code, message, awsCode, awsMessage, requestId, cure}
    details      json,              -- what the kind adds: metrics, trackingId, …
    aws_request_id text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    UNIQUE (run_id, ordinal),
    CHECK ((state IN ('succeeded', 'failed', 'skipped', 'cancelled')) = (finished_at IS NOT NULL)),
    CHECK (intent_state <> 'maybe_sent' OR last_mark_at IS NOT NULL)
) WITH (fillfactor = 80);
CREATE INDEX steps_due ON steps (wake_at) WHERE state IN ('ready', 'waiting');
CREATE INDEX steps_marked ON steps (last_mark_at) WHERE last_mark_at IS NOT NULL AND kind = 'solutionVersion';

CREATE TABLE step_edges (
    needs_id text NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
    step_id  text NOT NULL REFERENCES steps (id) ON DELETE CASCADE,
    PRIMARY KEY (needs_id, step_id)
);
CREATE INDEX step_edges_by_step ON step_edges (step_id);

-- Events: written with the change, numbered afterwards by the sequencer -------------------------------------------------
CREATE TABLE events (
    id      text PRIMARY KEY,
    seq     bigint UNIQUE,
    type    text NOT NULL,
    subject text NOT NULL,          -- "runs/run_…", "configs/shop"
    config  text,
    run_id  text,
    step_id text,
    time    timestamptz NOT NULL DEFAULT clock_timestamp(),
    data    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX events_unnumbered ON events (time, id) WHERE seq IS NULL;
CREATE INDEX events_by_run ON events (run_id, seq) WHERE run_id IS NOT NULL;
CREATE INDEX events_by_config ON events (config, seq) WHERE config IS NOT NULL;
CREATE TABLE event_counter (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    last_seq  bigint NOT NULL DEFAULT 0
);
INSERT INTO event_counter DEFAULT VALUES;

-- Schedules --------------------------------------------------------------------------------------------------------
CREATE TABLE schedules (
    id          text PRIMARY KEY,
    name        text,
    config      text NOT NULL REFERENCES configs (name) ON DELETE CASCADE,
    path        text,               -- stable path inside the config's document; NULL: posted to /schedules
    pointer     text,
    kind        text NOT NULL,      -- run kind
    run_options json NOT NULL DEFAULT '{}',
    expression  text NOT NULL,
    description text,
    time_zone   text,
    start_at timestamptz, end_at timestamptz,
    overlap     text NOT NULL DEFAULT 'skip' CHECK (overlap IN ('skip', 'queue', 'cancelOther', 'allow')),
    catch_up    text NOT NULL DEFAULT 'latest' CHECK (catch_up IN ('latest', 'none', 'all')),
    starting_deadline_seconds bigint,
    jitter_seconds bigint NOT NULL DEFAULT 0,
    is_enabled  boolean NOT NULL DEFAULT true,
    generation  integer NOT NULL DEFAULT 1,
    paused_at timestamptz, paused_until timestamptz, paused_reason text, paused_by text,
    considered_at timestamptz NOT NULL DEFAULT now(), -- nominal times up to here have an outcome
    next_nominal_at timestamptz,
    next_fire_at timestamptz,
    retired_at  timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX schedules_by_path ON schedules (config, path) WHERE path IS NOT NULL AND retired_at IS NULL;
CREATE INDEX schedules_due ON schedules (next_fire_at) WHERE next_fire_at IS NOT NULL AND retired_at IS NULL;

CREATE TABLE schedule_fires (
    schedule_id   text NOT NULL REFERENCES schedules (id) ON DELETE CASCADE,
    generation    integer NOT NULL,
    nominal_local text NOT NULL,     -- wall time in the schedule's zone
    fold          integer NOT NULL DEFAULT 0,
    nominal_at    timestamptz NOT NULL,
    outcome       text NOT NULL CHECK (outcome IN ('started', 'skippedMisfire', 'skippedOverlap', 'coalesced', 'paused')),
    run_id        text,
    count         bigint NOT NULL DEFAULT 1, -- a gap is one row
    from_at timestamptz, to_at timestamptz,
    reason        text,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (schedule_id, generation, nominal_local, fold)
);
CREATE INDEX schedule_fires_newest ON schedule_fires (schedule_id, nominal_at DESC);

-- Access -------------------------------------------------------------------------------------------------------------
CREATE TABLE tokens (
    id          text PRIMARY KEY,    -- the 12 characters inside the token
    name        text NOT NULL,
    secret_sha256 bytea NOT NULL,
    scopes      text[] NOT NULL,
    created_by  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    revoked_at  timestamptz,
    last_used_at timestamptz
);

CREATE TABLE idempotency_keys (
    token_id    text NOT NULL,
    key         text NOT NULL,
    method text NOT NULL, path text NOT NULL,
    body_sha256 text NOT NULL,
    status      integer NOT NULL,
    headers     json NOT NULL DEFAULT '{}',
    body        text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (token_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE audit (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seq      bigint UNIQUE,          -- given by the sequencer, with the hash chain
    time     timestamptz NOT NULL DEFAULT clock_timestamp(),
    token_id text, peer text,
    method   text NOT NULL, path text NOT NULL,
    status   integer NOT NULL,
    request_id text,
    detail   jsonb NOT NULL DEFAULT '{}',
    prev_sha256 text, sha256 text
);
CREATE INDEX audit_unnumbered ON audit (id) WHERE seq IS NULL;
