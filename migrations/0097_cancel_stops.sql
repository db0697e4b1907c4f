-- 0097_cancel_stops.sql - a cancel may ask that the training that the run has begun is stopped, too.
ALTER TABLE runs ADD COLUMN cancel_stops boolean NOT NULL DEFAULT false;
