--
-- realtime.commits: the order of what is told, for those who ask later.
--
SELECT attname, format_type(atttypid, atttypmod) AS type, attnotnull AS not_null, atthasdef AS has_default
FROM pg_attribute WHERE attrelid = 'realtime.commits'::regclass AND attnum > 0 ORDER BY attnum;
SELECT conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE conrelid = 'realtime.commits'::regclass AND contype <> 'n' ORDER BY conname;
SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'realtime.commits'::regclass ORDER BY 1;
SELECT pg_get_partkeydef('realtime.commits'::regclass);

-- executors write it
BEGIN;
SET ROLE realtime_executor;
INSERT INTO realtime.commits (lsn, xid, messages, committed_at, restart_lsn, epoch, timeline)
VALUES ('0/2', '1000', 1, now(), '0/1', 1, 1), ('0/1', '1001', 2, 'infinity', '0/1', 1, 1);
SELECT lsn, xid, messages FROM realtime.commits WHERE lsn IN ('0/1', '0/2') ORDER BY lsn;
SELECT test.failure($$UPDATE realtime.commits SET messages = 0$$);
SELECT test.failure($$DELETE FROM realtime.commits$$);
SELECT test.failure($$TRUNCATE realtime.commits$$);
SELECT test.failure($$SELECT FROM realtime.messages$$);
SELECT test.failure($$SELECT FROM realtime.signing_keys$$);
RESET ROLE;
-- clients do not read it
SET ROLE service_role;
SELECT test.failure($$SELECT FROM realtime.commits$$);
ROLLBACK;
