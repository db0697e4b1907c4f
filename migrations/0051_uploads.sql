-- 0051_uploads.sql - parameter files that were uploaded to S3, the queue that tells of uploads, and the watch that looks for them.

-- A parameter file to be read and applied; mark: what tells one upload of a key from another.
CREATE TABLE uploads (
    id          text PRIMARY KEY,
    bucket      text NOT NULL,
    key         text NOT NULL,
    mark        text NOT NULL,
    only_config text,                          -- the one it may be for; NULL: any
    is_first_look boolean NOT NULL DEFAULT false, -- it was there before anybody watched: a config that exists stays as it is
    state       text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'applied', 'unchanged', 'refused')),
    reason      text,
    failures    integer NOT NULL DEFAULT 0,
    wake_at     timestamptz NOT NULL DEFAULT clock_timestamp(), -- the end of the lease, when there is one
    lease_owner text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    UNIQUE (bucket, key, mark),
    CHECK ((state = 'pending') = (finished_at IS NULL))
);
CREATE INDEX uploads_due ON uploads (wake_at) WHERE state = 'pending';
CREATE INDEX uploads_age ON uploads (finished_at) WHERE finished_at IS NOT NULL;

-- Messages of the queue whose effect is committed: they may come again until they are deleted there.
CREATE TABLE queue_messages (
    id          text PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX queue_messages_age ON queue_messages (received_at);

-- What the watch saw last.
CREATE TABLE s3_watches (
    bucket      text NOT NULL,
    prefix      text NOT NULL,
    next_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    passes      bigint NOT NULL DEFAULT 0,     -- complete ones
    PRIMARY KEY (bucket, prefix)
);
CREATE TABLE s3_objects (
    bucket      text NOT NULL,
    key         text NOT NULL,
    version     text NOT NULL,                 -- time, size and ETag
    seen_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (bucket, key)
);
