--
-- realtime.status(): one row, and counters that count.
--
TRUNCATE realtime.messages;
SELECT state IN ('running', 'catching up', 'holding', 'down') AS state,
	   hub_pid IS NULL OR hub_pid > 0 AS hub_pid,
	   lag_bytes IS NULL OR lag_bytes >= 0 AS lag_bytes,
	   lag_ms IS NULL OR lag_ms >= 0 AS lag_ms,
	   "position" IS NULL OR released IS NULL OR released <= pg_current_wal_insert_lsn() AS released,
	   recorded IS NULL OR recorded <= released AS recorded,
	   gateways >= 0 AND executors >= 0 AND connections >= 0 AND channels >= 0 AND topics >= 0 AS gauges
FROM realtime.status();
-- the server's counters, and those of the gateways summed up
SELECT counters ?& ARRAY['emitted', 'released', 'transactions', 'rolled_back', 'forged', 'gaps', 'hub_starts',
						 'recorded', 'record_backlog', 'executor_starts', 'executor_failures', 'queued_jobs'] AS server,
	   counters ?& ARRAY['jobs_done', 'jobs_busy', 'jobs_unavailable', 'jobs_timed_out', 'jobs_refused', 'jobs_failed'] AS jobs,
	   counters ?& ARRAY['connections', 'joins', 'messages', 'deliveries', 'slow_closed'] AS gateways,
	   (SELECT bool_and(jsonb_typeof(v) = 'number') FROM jsonb_each(counters) e(k, v)) AS numbers
FROM realtime.status();

CREATE FUNCTION test.emitted() RETURNS bigint LANGUAGE sql AS $$
	SELECT (counters ->> 'emitted')::bigint FROM realtime.status()
$$;
SELECT test.emitted() AS before \gset
\o /dev/null
SELECT realtime.send('room', 'ev', '{}');
SELECT realtime.send('room', 'ev', '{}') FROM generate_series(1, 10);
\o
INSERT INTO realtime.messages (topic, extension, event, payload) VALUES ('room', 'broadcast', 'ev', '{}');
SELECT test.emitted() - :before AS emitted;
UPDATE realtime.messages SET event = 'other';
DELETE FROM realtime.messages;
SELECT test.emitted() - :before AS emitted;
