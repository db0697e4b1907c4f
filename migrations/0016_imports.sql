-- 0016_imports.sql - imports whose document is not stored yet are found without a walk over all runs.
CREATE INDEX runs_imports ON runs (id) WHERE kind = 'adopt' AND config IS NULL;
