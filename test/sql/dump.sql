--
-- Policies go through a dump and its restore: what pg_dump would read and
-- psql would insert.  (The programs themselves: test/t.)
--
CREATE TABLE public.members (name text, topic text);
CREATE FUNCTION public.may_send(topic text) RETURNS boolean LANGUAGE sql RETURN topic <> 'locked';
CREATE ROLE "Odd ""role";
CREATE POLICY "read 'mine'" ON realtime.messages FOR SELECT TO authenticated, "Odd ""role"
	USING (EXISTS (SELECT FROM members m WHERE m.topic = realtime.topic() AND m.name = CURRENT_USER));
CREATE POLICY send ON realtime.messages FOR INSERT
	WITH CHECK (may_send(topic) AND extension IN ('broadcast', 'presence'));
CREATE POLICY strict ON realtime.messages AS RESTRICTIVE TO anon USING (NOT private) WITH CHECK (NOT private);
CREATE POLICY of_no_account ON realtime.messages_default USING (true);

-- as pg_dump does it, with an empty search path
SET search_path = '';
SELECT format('CREATE TEMP TABLE dumped AS SELECT * FROM ONLY realtime.dumped_policies %s',
			  extcondition[array_position(extconfig, 'realtime.dumped_policies'::pg_catalog.regclass)])
FROM pg_catalog.pg_extension WHERE extname = 'realtime' \gexec
SELECT table_name, policy_name FROM dumped ORDER BY policy_name;
CREATE TEMP TABLE before AS
	SELECT * FROM pg_catalog.pg_policies WHERE schemaname = 'realtime' AND tablename = 'messages';
DROP POLICY "read 'mine'" ON realtime.messages;
DROP POLICY send ON realtime.messages;
DROP POLICY strict ON realtime.messages;
INSERT INTO realtime.dumped_policies SELECT * FROM dumped;
SELECT policyname, permissive, roles, cmd, qual, with_check
FROM pg_catalog.pg_policies WHERE schemaname = 'realtime' AND tablename = 'messages' ORDER BY policyname;
SELECT count(*) AS different FROM (
	(SELECT * FROM before EXCEPT SELECT * FROM pg_catalog.pg_policies)
	UNION ALL
	(SELECT * FROM pg_catalog.pg_policies WHERE schemaname = 'realtime' AND tablename = 'messages' EXCEPT SELECT * FROM before)) d;
SELECT count(*) FROM realtime.dumped_policies;

-- all or none
DROP POLICY "read 'mine'" ON realtime.messages;
DROP POLICY send ON realtime.messages;
DROP POLICY strict ON realtime.messages;
UPDATE dumped SET roles = '{realtime_nobody}' WHERE policy_name = 'strict';
\set SHOW_CONTEXT never
INSERT INTO realtime.dumped_policies SELECT * FROM dumped;		-- fails
SELECT count(*) FROM pg_catalog.pg_policies WHERE schemaname = 'realtime' AND tablename = 'messages';

-- nobody else may use this way to make policies
SET ROLE authenticated;
INSERT INTO realtime.dumped_policies VALUES ('messages', 'mine', 'PERMISSIVE', '{public}', 'ALL', 'true', 'true');	-- fails
RESET ROLE;
RESET search_path;
DROP POLICY of_no_account ON realtime.messages_default;
DROP TABLE members, dumped, before;
DROP FUNCTION may_send;
DROP ROLE "Odd ""role";
