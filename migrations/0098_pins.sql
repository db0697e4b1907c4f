-- 0098_pins.sql - a pin may have an end: details of a campaign as they count now.
CREATE FUNCTION live_details(details jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN (details #>> '{pin,until}')::timestamptz <= clock_timestamp() THEN details - 'pin' ELSE details END
$$;
