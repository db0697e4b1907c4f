-- 0081_held.sql - held runs: all that is left of them asks a question (a step of the kind approval), so they hold nothing.
ALTER TABLE runs ADD COLUMN held_at timestamptz;
CREATE INDEX steps_asking ON steps (resource_key) WHERE kind = 'approval' AND state = 'waiting';
-- A version awaits an answer for days: the list of held runs is short and asked for by people.
CREATE INDEX runs_held ON runs (id) WHERE held_at IS NOT NULL;
