-- 0052_upload_deliveries.sql - a parameter file that a trigger was told of: whose delivery it was.
ALTER TABLE uploads ADD COLUMN trigger_id text REFERENCES triggers (id) ON DELETE SET NULL, ADD COLUMN delivery_id text;
