-- 0070_trace.sql - the trace (W3C Trace Context) that a request brought along, on what it led to.
--
-- The API sets steward.traceparent for the transaction of a write; whatever that inserts takes it from there, so no statement has to
-- carry it. Events of a run that have none of their own show the run's.
ALTER TABLE events ADD COLUMN traceparent text DEFAULT nullif(current_setting('steward.traceparent', true), '');
ALTER TABLE runs ADD COLUMN traceparent text DEFAULT nullif(current_setting('steward.traceparent', true), '');
