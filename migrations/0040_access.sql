-- 0040_access.sql - an audit log that shows every edit, tokens that can be rotated, links that log in once.
--
-- Rows of the audit log are written in the transaction of what they tell and never change. The sequencer chains them afterwards:
-- each link has a number without gaps and the hash over the link before it and the row, so that a row that was changed, taken out or
-- put in between is found. The application's role may only insert.
CREATE TABLE audit_chain (
    seq         bigint PRIMARY KEY,
    audit_id    bigint NOT NULL UNIQUE,
    prev_sha256 text NOT NULL,
    sha256      text NOT NULL
);
-- What is committed and not chained yet. Identities commit out of order, so "larger than the last" would miss some.
CREATE TABLE audit_pending (audit_id bigint PRIMARY KEY);
INSERT INTO audit_pending SELECT id FROM audit;

CREATE FUNCTION audit_note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending VALUES (NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER audit_to_chain AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_note();

CREATE FUNCTION audit_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log only grows' USING ERRCODE = '42501';
END
$$;
CREATE TRIGGER audit_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION audit_is_final();
CREATE TRIGGER audit_chain_final BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_chain FOR EACH STATEMENT EXECUTE FUNCTION audit_is_final();
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'steward') THEN
        REVOKE UPDATE, DELETE, TRUNCATE ON audit, audit_chain FROM steward;
    END IF;
END
$$;

-- The text that is hashed for a row.
CREATE FUNCTION audit_record(a audit) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_build_array(a.id, to_char(a.time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), a.token_id, a.peer, a.method,
                            a.path, a.status, a.request_id, a.detail)::text
$$;
CREATE FUNCTION audit_hash(before text, seq bigint, a audit) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(sha256(convert_to(before || ' ' || seq || ' ' || audit_record(a), 'UTF8')), 'hex')
$$;

-- Chains what is pending, at most so many; one session at a time. Returns how many.
CREATE FUNCTION audit_extend(most integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
    hash text;
    next text;
    r record;
    n integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(7410040) THEN
        RETURN 0;
    END IF;
    SELECT c.seq, c.sha256 INTO number, hash FROM audit_chain c ORDER BY c.seq DESC LIMIT 1;
    number := coalesce(number, 0);
    hash := coalesce(hash, repeat('0', 64));
    FOR r IN SELECT a AS row FROM audit_pending p JOIN audit a ON a.id = p.audit_id ORDER BY p.audit_id LIMIT most LOOP
        number := number + 1;
        next := audit_hash(hash, number, r.row);
        INSERT INTO audit_chain VALUES (number, (r.row).id, hash, next);
        DELETE FROM audit_pending WHERE audit_id = (r.row).id;
        hash := next;
        n := n + 1;
    END LOOP;
    RETURN n;
END
$$;

-- The secret before the last rotation lives on for a while.
ALTER TABLE tokens ADD COLUMN previous_sha256 bytea, ADD COLUMN previous_until timestamptz, ADD COLUMN rotated_at timestamptz;

-- A link that logs in once, within a minute: only the hash of its ticket is here.
CREATE TABLE login_tickets (
    sha256     bytea PRIMARY KEY,
    token_id   text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
