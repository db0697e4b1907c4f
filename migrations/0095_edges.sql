-- 0095_edges.sql - edges of a run's steps without the price of a free graph.
--
-- Both ends of an edge are steps of one run, written with it in one transaction, and go with it. Two foreign keys and a second index made
-- the edges the dearest part of POST /configs (a file with 41 steps has 112 of them: 1.4 of 3.8 ms); the deletion needs neither.
CREATE FUNCTION step_edges_drop() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM step_edges e USING gone WHERE e.needs_id = gone.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER step_edges_drop AFTER DELETE ON steps REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION step_edges_drop();
ALTER TABLE step_edges DROP CONSTRAINT step_edges_needs_id_fkey, DROP CONSTRAINT step_edges_step_id_fkey;
DROP INDEX step_edges_by_step;
