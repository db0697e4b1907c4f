-- 0002_api_functions.sql - the raising fence of the API's writes, and what its reads need.
--
-- A write of the API is one implicit transaction whose statements were prepared from an earlier read. A fence makes it fail as
-- a whole when that read is out of date: SQLSTATE ST001 = read again and start over, ST002 = the same request is at work now.
CREATE FUNCTION api_fence(code text, message text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = message;
END
$$;

CREATE INDEX tokens_newest ON tokens (created_at DESC, id DESC);
CREATE INDEX runs_applies ON runs (config, id DESC) WHERE kind = 'apply';
