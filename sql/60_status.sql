--
-- How things stand.  Columns: src/api/status.c.
--

CREATE FUNCTION realtime.status(
		OUT state text,
		OUT hub_pid integer,
		OUT "position" pg_lsn,
		OUT released pg_lsn,
		OUT recorded pg_lsn,
		OUT lag_bytes bigint,
		OUT lag_ms double precision,
		OUT gateways integer,
		OUT executors integer,
		OUT courier_pid integer,
		OUT connections bigint,
		OUT channels bigint,
		OUT topics bigint,
		OUT epoch bigint,
		OUT counters jsonb)
	RETURNS record
	LANGUAGE C VOLATILE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'realtime_status';
COMMENT ON FUNCTION realtime.status() IS
	'state of the hub, its programs and executors, how far delivery is, and counters';

REVOKE EXECUTE ON FUNCTION realtime.status() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION realtime.status() TO pg_monitor;
GRANT USAGE ON SCHEMA realtime TO pg_monitor;
