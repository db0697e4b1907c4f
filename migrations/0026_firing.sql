-- 0026_firing.sql - firing in batches: what comes first at one nominal minute, who is in the way, and who fails.

-- Runs that must be over before this one begins: those of the same nominal minute that come first.
ALTER TABLE runs ADD COLUMN after_runs text[] NOT NULL DEFAULT '{}';
-- A run whose overlap is 'allow' shares its resources: its claims are '<resource>#<run>', and here is the resource.
ALTER TABLE run_claims ADD COLUMN shared_key text;
CREATE INDEX run_claims_shared ON run_claims (shared_key) WHERE shared_key IS NOT NULL;
-- Firings that failed in a row: the next try comes later each time, so that nobody else waits for it.
ALTER TABLE schedules ADD COLUMN fire_failures integer NOT NULL DEFAULT 0;

-- Open runs, by what may be in a new run's way.
CREATE INDEX runs_open_by_schedule ON runs (schedule_id) WHERE state IN ('queued', 'running', 'cancelling');
CREATE INDEX runs_open_by_claim ON runs USING gin (claims) WHERE state IN ('queued', 'running', 'cancelling');
CREATE INDEX runs_open_by_minute ON runs (config, nominal_at) WHERE state IN ('queued', 'running', 'cancelling');

-- At the same nominal minute the order is import, update, full, batch; 0 has no place in it.
CREATE FUNCTION schedule_rank(kind text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE kind WHEN 'import' THEN 1 WHEN 'trainUpdate' THEN 2 WHEN 'trainFull' THEN 3 WHEN 'train' THEN 3 WHEN 'retrain' THEN 3
                     WHEN 'batchInference' THEN 4 WHEN 'batchSegment' THEN 4 ELSE 0 END
$$;
CREATE INDEX schedules_siblings ON schedules (config, schedule_rank(kind), next_nominal_at)
    WHERE next_fire_at IS NOT NULL AND retired_at IS NULL;
CREATE INDEX schedules_after_import ON schedules (config) WHERE expression = 'after import' AND retired_at IS NULL;

-- Whether a schedule of the same config that comes first at this nominal minute has yet to fire.
CREATE FUNCTION schedule_has_elder(of_config text, of_kind text, nominal timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    FOR rank IN 1 .. schedule_rank(of_kind) - 1 LOOP
        IF EXISTS (SELECT FROM schedules b WHERE b.config = of_config AND schedule_rank(b.kind) = rank
                      AND b.next_nominal_at >= date_trunc('minute', nominal)
                      AND b.next_nominal_at < date_trunc('minute', nominal) + interval '1 minute'
                      AND b.next_fire_at IS NOT NULL AND b.retired_at IS NULL AND b.fire_failures = 0) THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;

-- A run that shares stands in nobody's queue.
DROP TRIGGER run_wants_add ON runs;
CREATE TRIGGER run_wants_add AFTER INSERT ON runs FOR EACH ROW
    WHEN (NEW.state = 'queued' AND NEW.claims <> '{}' AND NEW.overlap <> 'allow') EXECUTE FUNCTION run_wants_add();
DELETE FROM run_wants w USING runs r WHERE r.id = w.run_id AND r.overlap = 'allow';
CREATE INDEX runs_queued_sharing ON runs (created_at) WHERE state = 'queued' AND overlap = 'allow';
