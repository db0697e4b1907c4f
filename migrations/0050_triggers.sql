-- 0050_triggers.sql - what comes in: triggers that start runs, what was delivered to them, and uploads to S3.
--
-- A delivery and its run are one transaction. What was seen is a row with its end: whoever sends the same again is answered with the
-- first. A run that waits for quiet is a row with its time; any scheduler fires it, and the row's end is the fence.
CREATE TABLE triggers (
    id          text PRIMARY KEY,
    name        text,
    config      text NOT NULL REFERENCES configs (name) ON DELETE CASCADE,
    kind        text NOT NULL,                 -- run kind
    run_options json NOT NULL DEFAULT '{}',
    auth        text NOT NULL CHECK (auth IN ('standardWebhooks', 'github', 'sns', 'bearer')),
    topic_arn   text,                          -- auth 'sns': the topic whose messages count
    secret      text,                          -- sealed; bearer: the hash; never in the clear
    old_secret  text,                          -- during a rotation, until
    old_secret_until timestamptz,
    cooldown_seconds bigint NOT NULL,
    max_per_day bigint NOT NULL,
    dedupe_window_seconds bigint NOT NULL,
    quiet_seconds bigint NOT NULL,
    is_enabled  boolean NOT NULL DEFAULT true,
    last_received_at timestamptz,              -- authenticated
    last_started_at timestamptz,
    last_run_id text,
    created_by  text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CHECK ((auth = 'sns') = (topic_arn IS NOT NULL)),
    CHECK ((auth = 'sns') = (secret IS NULL))
);
CREATE UNIQUE INDEX triggers_by_name ON triggers (name) WHERE name IS NOT NULL;

CREATE TABLE trigger_deliveries (
    id          text PRIMARY KEY,
    trigger_id  text NOT NULL REFERENCES triggers (id) ON DELETE CASCADE,
    message_id  text,                          -- the sender's
    state       text NOT NULL CHECK (state IN ('started', 'waiting', 'rejected', 'failed', 'confirmed')),
    code        text,                          -- why it was rejected
    reason      text,
    run_id      text,
    data_version text,
    body_sha256 text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX trigger_deliveries_newest ON trigger_deliveries (trigger_id, id DESC);
CREATE INDEX trigger_deliveries_waiting ON trigger_deliveries (trigger_id) WHERE state = 'waiting';
CREATE INDEX trigger_deliveries_age ON trigger_deliveries (received_at);

-- 'id …': a message, for a day. 'content …': what it says, for the trigger's window.
CREATE TABLE trigger_seen (
    trigger_id  text NOT NULL REFERENCES triggers (id) ON DELETE CASCADE,
    key         text NOT NULL,
    delivery_id text NOT NULL,
    expires_at  timestamptz NOT NULL,
    PRIMARY KEY (trigger_id, key)
);
CREATE INDEX trigger_seen_age ON trigger_seen (expires_at);

-- A run that is to start when nothing more came for a while. key: a trigger, or 'upload/<config>'.
CREATE TABLE quiet_runs (
    key         text PRIMARY KEY,
    trigger_id  text REFERENCES triggers (id) ON DELETE CASCADE,
    config      text NOT NULL REFERENCES configs (name) ON DELETE CASCADE,
    kind        text NOT NULL,
    run_options json NOT NULL DEFAULT '{}',
    is_buying   boolean NOT NULL,              -- waits for the end of a pause
    count       bigint NOT NULL DEFAULT 1,     -- deliveries or objects so far
    first_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    due_at      timestamptz NOT NULL,
    failures    integer NOT NULL DEFAULT 0
);
CREATE INDEX quiet_runs_due ON quiet_runs (due_at);

ALTER TABLE runs ADD COLUMN trigger_id text, ADD COLUMN data_version text;
ALTER TABLE runs DROP CONSTRAINT runs_trigger_check;
ALTER TABLE runs ADD CONSTRAINT runs_trigger_check
    CHECK (trigger IN ('api', 'apply', 'schedule', 'hook', 'retry', 'upload'));
CREATE INDEX runs_by_trigger ON runs (trigger_id, created_at) WHERE trigger_id IS NOT NULL;

-- Why a trigger would start nothing now; no row: it would. keys: the solutions that the run would train, as resource keys.
CREATE FUNCTION trigger_refusal(of_trigger text, is_buying boolean, keys text[], per_solution integer, per_account integer)
RETURNS TABLE (code text, retry_seconds bigint, detail text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    t triggers;
    since timestamptz := clock_timestamp() - interval '24 hours';
    starts bigint;
    first_at timestamptz;
BEGIN
    SELECT * INTO t FROM triggers WHERE id = of_trigger;
    IF NOT t.is_enabled THEN
        RETURN QUERY SELECT 'disabled', 3600::bigint, 'The trigger is switched off.';
        RETURN;
    END IF;
    IF is_buying AND server_is_paused() THEN
        RETURN QUERY SELECT 'paused', least(coalesce(ceil(extract(epoch FROM p.until_at - clock_timestamp()))::bigint, 3600), 86400),
            'Spending is stopped' || coalesce(': ' || p.reason, '') || '.' FROM server_pause p;
        RETURN;
    END IF;
    IF t.last_started_at + t.cooldown_seconds * interval '1 second' > clock_timestamp() THEN
        RETURN QUERY SELECT 'cooldown',
            ceil(extract(epoch FROM t.last_started_at + t.cooldown_seconds * interval '1 second' - clock_timestamp()))::bigint,
            'The trigger cools down: its last run started less than ' || t.cooldown_seconds || ' seconds ago.';
        RETURN;
    END IF;
    SELECT count(*), min(r.created_at) INTO starts, first_at FROM runs r WHERE r.trigger_id = t.id AND r.created_at > since;
    IF starts >= t.max_per_day THEN
        RETURN QUERY SELECT 'daily-cap', greatest(1, ceil(extract(epoch FROM first_at - since))::bigint),
            'The trigger has started ' || starts || ' runs within 24 hours, and no more than ' || t.max_per_day || ' are allowed.';
        RETURN;
    END IF;
    IF keys = '{}' THEN
        RETURN;
    END IF;
    IF (SELECT coalesce(sum(s.spent), 0) FROM steps s WHERE s.kind = 'solutionVersion' AND s.last_mark_at > since) >= per_account
        OR NOT EXISTS (SELECT FROM unnest(keys) AS k(key) WHERE (SELECT coalesce(sum(s.spent), 0) FROM steps s
            WHERE s.kind = 'solutionVersion' AND s.last_mark_at > since AND s.resource_key = k.key)
            < greatest(per_solution, (SELECT 2 + nullif(count(*), 0) FROM schedule_fires x JOIN steps f ON f.run_id = x.run_id
                AND f.kind = 'solutionVersion' AND f.resource_key = k.key WHERE x.outcome = 'started' AND x.nominal_at > since)))
    THEN
        RETURN QUERY SELECT 'budget', (SELECT greatest(1, ceil(extract(epoch FROM min(s.last_mark_at) - since))::bigint)
            FROM steps s WHERE s.kind = 'solutionVersion' AND s.spent > 0 AND s.last_mark_at > since),
            'The trainings that the fuse allows within 24 hours are used up.';
    END IF;
END
$$;
