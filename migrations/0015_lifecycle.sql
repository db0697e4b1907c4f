-- 0015_lifecycle.sql - what the life of a config needs: protection that outlives the file, and resources nobody owns.

-- preventDestroy of the last version that had the resource: what left the file is not deleted by accident.
ALTER TABLE resources ADD COLUMN is_protected boolean NOT NULL DEFAULT false;

-- One schema name may stand in several files, with different content: its key names the config too.
UPDATE resources SET key = 'schema/' || config || '/' || substr(key, 8)
 WHERE kind = 'schema' AND config IS NOT NULL AND key NOT LIKE 'schema/%/%';

-- What the last audit of the account found: live in Amazon Personalize, owned by no config. One row per resource.
CREATE TABLE orphans (
    arn           text PRIMARY KEY,
    kind          text NOT NULL,
    name          text NOT NULL,
    status        text,
    owner         text NOT NULL CHECK (owner IN ('nobody', 'us', 'other')),
    deployment    text,             -- of the mark it bears
    config        text,             -- whose file it left; NULL: none
    aws_created_at timestamptz,
    found_at      timestamptz NOT NULL DEFAULT clock_timestamp(), -- first
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp()  -- last
);
CREATE INDEX orphans_by_kind ON orphans (kind, name, arn);
CREATE TABLE orphan_audit (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    done_at   timestamptz,
    run_id    text
);
INSERT INTO orphan_audit DEFAULT VALUES;
