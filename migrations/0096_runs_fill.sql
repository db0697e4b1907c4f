-- 0096_runs_fill.sql - room for the next version of a row beside it: a run's roll-up is written once for each of its steps.
--
-- In a full page the new version goes elsewhere, and every index of the table gets another entry; with room it goes without. The same for
-- the inventory, which each look writes.
ALTER TABLE runs SET (fillfactor = 80);
ALTER TABLE resources SET (fillfactor = 80);
