-- 0010_plans.sql - saved plans: what was asked for, at which version of the config, and the observe run that looked.
--
-- A plan's lines are made of its run's steps, which never change any more once the run is over; facts holds what the inventory
-- said when it was made. It is good for a day; then only the row's deletion is left.
CREATE TABLE plans (
    id             text PRIMARY KEY,
    config         text NOT NULL,     -- the name; the config itself need not exist yet
    config_version bigint,            -- current when the plan was made; NULL: there was no config
    document       json NOT NULL,     -- as given: json keeps the order of members
    message text, revision text, url text,
    is_prune       boolean NOT NULL DEFAULT false, -- what left the file is to be deleted
    facts          json NOT NULL DEFAULT '{}',
    run_id         text REFERENCES runs (id) ON DELETE SET NULL,
    created_by     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    expires_at     timestamptz NOT NULL DEFAULT now() + interval '24 hours',
    applied_at     timestamptz,
    applied_run    text
);
CREATE INDEX plans_age ON plans (expires_at);
