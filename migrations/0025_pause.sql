-- 0025_pause.sql - the server-wide pause ("stop spending"): who stopped it, when, why, until when.
--
-- One row. It is in force while paused_at is set and until_at has not passed; the mark of anything that buys asks it in its own
-- transaction, under the shared half of the lock that a change of it takes alone.
CREATE TABLE server_pause (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    paused_at timestamptz,
    until_at  timestamptz,
    reason    text,
    paused_by text             -- token id
);
INSERT INTO server_pause DEFAULT VALUES;

CREATE FUNCTION server_is_paused() RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM server_pause WHERE paused_at IS NOT NULL AND (until_at IS NULL OR until_at > clock_timestamp()))
$$;
