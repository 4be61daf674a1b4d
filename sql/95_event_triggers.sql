--
-- Commands that concern followed tables (45_follow.sql).  Last, because none of
-- those of this script does.
--

CREATE EVENT TRIGGER realtime_note_command ON ddl_command_end
	WHEN TAG IN (
		'CREATE PUBLICATION', 'ALTER PUBLICATION', 'DROP PUBLICATION',
		'CREATE TABLE', 'CREATE TABLE AS', 'SELECT INTO', 'ALTER TABLE', 'CREATE SCHEMA', 'ALTER SCHEMA',
		'CREATE POLICY', 'ALTER POLICY', 'GRANT', 'REVOKE', 'ALTER TYPE', 'ALTER DOMAIN')
	EXECUTE FUNCTION realtime.note_command();
CREATE EVENT TRIGGER realtime_replace_publication ON ddl_command_start
	WHEN TAG IN ('CREATE PUBLICATION')
	EXECUTE FUNCTION realtime.replace_publication();
CREATE EVENT TRIGGER realtime_note_drop ON sql_drop
	EXECUTE FUNCTION realtime.note_drop();
