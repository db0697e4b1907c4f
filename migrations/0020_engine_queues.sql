-- 0020_engine_queues.sql - two queues of the engine: runs that wait for resources, steps that wait for a quota.

-- One row per resource that a queued run wants. The head of each resource's queue is found by one probe of the primary key, so
-- thousands of runs behind one resource do not hide those behind another. Kept by triggers: every writer of runs keeps it.
CREATE TABLE run_wants (
    resource_key text NOT NULL,
    created_at   timestamptz NOT NULL,
    run_id       text NOT NULL,
    PRIMARY KEY (resource_key, created_at, run_id)
);
CREATE INDEX run_wants_by_run ON run_wants (run_id);

CREATE FUNCTION run_wants_add() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO run_wants (resource_key, created_at, run_id)
    SELECT key, NEW.created_at, NEW.id FROM unnest(NEW.claims) AS k(key) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$;
CREATE FUNCTION run_wants_drop() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM run_wants WHERE run_id = OLD.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER run_wants_add AFTER INSERT ON runs FOR EACH ROW
    WHEN (NEW.state = 'queued' AND NEW.claims <> '{}') EXECUTE FUNCTION run_wants_add();
CREATE TRIGGER run_wants_drop AFTER UPDATE OF state ON runs FOR EACH ROW
    WHEN (OLD.state = 'queued' AND NEW.state <> 'queued') EXECUTE FUNCTION run_wants_drop();
CREATE TRIGGER run_wants_drop_deleted AFTER DELETE ON runs FOR EACH ROW
    WHEN (OLD.state = 'queued') EXECUTE FUNCTION run_wants_drop();
INSERT INTO run_wants (resource_key, created_at, run_id)
SELECT k.key, r.created_at, r.id FROM runs r CROSS JOIN LATERAL unnest(r.claims) AS k(key) WHERE r.state = 'queued'
ON CONFLICT DO NOTHING;

CREATE INDEX runs_unclaiming ON runs (created_at) WHERE state = 'queued' AND claims = '{}';
CREATE INDEX runs_untold ON runs (created_at) WHERE state = 'queued' AND reason IS NULL;
-- What may end without a checkpoint: cancelled runs, and runs without steps.
CREATE INDEX runs_ending ON runs (id) WHERE state = 'cancelling' OR (state = 'running' AND total_steps = 0);

-- When a step joined the line for a quota; NULL: it does not stand in one.
ALTER TABLE steps ADD COLUMN quota_since timestamptz;
CREATE INDEX steps_in_line ON steps (kind) WHERE quota_since IS NOT NULL AND state IN ('ready', 'waiting');
-- What a quota is spent on: jobs and versions that were asked for and have not ended.
CREATE INDEX steps_in_progress ON steps (kind)
    WHERE state IN ('ready', 'waiting') AND intent_op = 'create' AND intent_state IN ('maybe_sent', 'saved')
    AND kind IN ('datasetImportJob', 'solutionVersion', 'batchInferenceJob', 'batchSegmentJob');
-- When a config was last given a place: between equals, whoever had one longest ago goes first.
CREATE TABLE quota_turns (
    kind      text NOT NULL,
    config    text NOT NULL,
    served_at timestamptz NOT NULL,
    PRIMARY KEY (kind, config)
);

-- The fuse counts the scheduled trainings of a day.
CREATE INDEX schedule_fires_by_time ON schedule_fires (nominal_at) WHERE outcome = 'started';
