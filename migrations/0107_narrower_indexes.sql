-- 0107_narrower_indexes.sql - a new row makes no entry in an index in which nobody looks for it yet.
--
-- An event has its number a moment after it was written, and is read by its number only: the entry without one was made in vain, and
-- removed again. The newest runs are the end of the primary key, read backwards: a second index with the same order is not needed.
ALTER TABLE events DROP CONSTRAINT events_seq_key;
CREATE UNIQUE INDEX events_by_seq ON events (seq) WHERE seq IS NOT NULL;
DROP INDEX events_by_config;
CREATE INDEX events_by_config ON events (config, seq) WHERE config IS NOT NULL AND seq IS NOT NULL;
DROP INDEX runs_newest;
