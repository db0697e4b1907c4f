-- 0027_schedule_order.sql - the index of what comes first at one minute serves that question only.
--
-- It had the predicate of schedules_due, and a plan made while the table was empty took it for "when is the next one due": a walk through
-- a million rows, once a second.
DROP INDEX schedules_siblings;
CREATE INDEX schedules_siblings ON schedules (config, schedule_rank(kind), next_nominal_at)
    WHERE next_fire_at IS NOT NULL AND retired_at IS NULL AND schedule_rank(kind) > 0;

CREATE OR REPLACE FUNCTION schedule_has_elder(of_config text, of_kind text, nominal timestamptz) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    FOR rank IN 1 .. schedule_rank(of_kind) - 1 LOOP
        IF EXISTS (SELECT FROM schedules b WHERE b.config = of_config AND schedule_rank(b.kind) = rank AND schedule_rank(b.kind) > 0
                      AND b.next_nominal_at >= date_trunc('minute', nominal)
                      AND b.next_nominal_at < date_trunc('minute', nominal) + interval '1 minute'
                      AND b.next_fire_at IS NOT NULL AND b.retired_at IS NULL AND b.fire_failures = 0) THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;
