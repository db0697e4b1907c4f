-- 0080_restores.sql - which history of the database we are in: a failover or a restore may have lost marks, so sends stop until Q has passed.
--
-- What was committed and then lost may have been sent. Whoever connects compares the timeline with the one on record; another one stops
-- all sends for Q, frees every lease, and has each open step look again, by the generated name too, before it acts.
ALTER TABLE server_identity ADD COLUMN timeline text, ADD COLUMN halted_at timestamptz, ADD COLUMN halted_until timestamptz;
-- The mark of the step's create may be among what was lost: what bears its generated name is its own.
ALTER TABLE steps ADD COLUMN is_restored boolean NOT NULL DEFAULT false;

-- A failover begins another timeline of the same system; a restored dump is another table, in another system or the same.
CREATE FUNCTION database_timeline() RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT system_identifier || '/' || ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
           || '/' || 'server_identity'::regclass::oid
      FROM pg_control_system()
$$;

-- Asked in the transaction of every mark.
CREATE FUNCTION server_may_send() RETURNS boolean LANGUAGE sql VOLATILE AS $$
    SELECT timeline = database_timeline() AND (halted_until IS NULL OR halted_until <= clock_timestamp()) FROM server_identity
$$;

-- True when this is another history than the one on record; it is on record now, and sends have stopped.
CREATE FUNCTION server_check_timeline(quiescence_seconds float8) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    here text := database_timeline();
    seen text;
    until timestamptz := clock_timestamp() + make_interval(secs => quiescence_seconds);
BEGIN
    SELECT timeline INTO seen FROM server_identity;
    IF seen = here THEN
        RETURN false;
    END IF;
    SELECT timeline INTO seen FROM server_identity FOR UPDATE;
    IF seen = here THEN
        RETURN false;
    END IF;
    IF seen IS NULL THEN
        UPDATE server_identity SET timeline = here;
        RETURN false;
    END IF;
    UPDATE server_identity SET timeline = here, halted_at = clock_timestamp(), halted_until = until;
    PERFORM id FROM runs WHERE state IN ('running', 'cancelling') ORDER BY id FOR NO KEY UPDATE;
    UPDATE steps s SET lease_owner = NULL, lease_token = lease_token + 1, claims = 0,
           wake_at = CASE WHEN verb IN ('observe', 'import', 'audit', 'stop') THEN clock_timestamp() ELSE until END,
           is_restored = verb IN ('ensure', 'renew') AND intent_state IN ('none', 'planned'),
           baseline = CASE WHEN kind = 'solutionVersion' THEN coalesce(baseline,
               (SELECT v.arn FROM solution_versions v WHERE v.solution = s.name ORDER BY v.aws_created_at DESC NULLS LAST LIMIT 1)) END,
           last_mark_at = CASE WHEN intent_state IN ('maybe_sent', 'saved') THEN clock_timestamp() ELSE last_mark_at END,
           ambiguous_at = CASE WHEN intent_state = 'saved' AND intent_op IN ('update', 'delete') THEN clock_timestamp() ELSE ambiguous_at END
     WHERE state IN ('ready', 'waiting');
    UPDATE steps SET is_restored = true WHERE state = 'blocked' AND verb IN ('ensure', 'renew');
    UPDATE orphan_audit SET done_at = NULL; -- what has lost its run is found by the audit
    RETURN true;
END
$$;
