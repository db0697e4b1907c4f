-- 0021_always_edges.sql - steps that run whatever became of those before them: what was switched off is restored.
ALTER TABLE step_edges ADD COLUMN is_always boolean NOT NULL DEFAULT false;
