-- Followed tables: what makes a table one, and what makes it none.

SELECT pubname, puballtables, pubinsert, pubupdate, pubdelete, pubviaroot FROM pg_publication;
-- it is the user's
SELECT count(*) FROM pg_depend WHERE objid = (SELECT oid FROM pg_publication) AND deptype = 'e';

CREATE SCHEMA followed;
SET search_path = followed;
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY);
CREATE VIEW captures AS
	SELECT c.tab, c.shown_as::regclass, c.events, t.tgenabled
	FROM realtime.captures c JOIN pg_trigger t ON t.oid = c.capture_trigger;
SELECT * FROM captures;

ALTER PUBLICATION supabase_realtime ADD TABLE a;
SELECT * FROM captures;
SELECT * FROM realtime.followed_tables;
ALTER PUBLICATION supabase_realtime SET TABLE b;
SELECT * FROM captures;
ALTER PUBLICATION supabase_realtime SET (publish = 'insert, delete');
SELECT * FROM captures;
ALTER PUBLICATION supabase_realtime SET (publish = 'truncate');
SELECT * FROM captures;
ALTER PUBLICATION supabase_realtime SET (publish = 'insert, update, delete, truncate');

-- whole schemas, and what comes into them
ALTER PUBLICATION supabase_realtime SET TABLES IN SCHEMA followed;
CREATE TABLE c AS SELECT 1 AS id;
SELECT * FROM captures ORDER BY tab::text;
CREATE SCHEMA elsewhere;
ALTER TABLE c SET SCHEMA elsewhere;
SELECT * FROM captures ORDER BY tab::text;

-- everything, but what is ours
DROP PUBLICATION supabase_realtime;
SELECT * FROM captures;
-- wal_level is of no importance here
SET client_min_messages = error;
CREATE PUBLICATION supabase_realtime FOR ALL TABLES;
SELECT tab, events FROM captures WHERE tab::text ~ '^(a|b|elsewhere.c|realtime\..*)$' ORDER BY tab::text;
DROP PUBLICATION supabase_realtime;
CREATE PUBLICATION supabase_realtime;
RESET client_min_messages;

-- partitions of partitions, by the root or not
CREATE TABLE p (id int, k int) PARTITION BY LIST (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1) PARTITION BY LIST (id);
CREATE TABLE p11 PARTITION OF p1 FOR VALUES IN (1);
ALTER PUBLICATION supabase_realtime ADD TABLE p;
CREATE TABLE p12 PARTITION OF p1 FOR VALUES IN (2);
SELECT * FROM captures ORDER BY tab::text;
ALTER PUBLICATION supabase_realtime SET (publish_via_partition_root = true);
SELECT * FROM captures ORDER BY tab::text;
ALTER TABLE p1 DETACH PARTITION p11;
SELECT * FROM captures ORDER BY tab::text;
-- a partition that is followed for itself as well
SELECT realtime.follow('p12');
SELECT * FROM captures ORDER BY tab::text, shown_as::text;
ALTER PUBLICATION supabase_realtime DROP TABLE p;
SELECT realtime.unfollow('p12');

-- by name
SELECT realtime.follow('a'), realtime.follow('followed.a');
SELECT * FROM captures;
SELECT * FROM realtime.followed_tables;
ALTER PUBLICATION supabase_realtime ADD TABLE a;
SELECT * FROM realtime.followed_tables;
SELECT realtime.unfollow('a'), realtime.unfollow('a');
SELECT * FROM captures;
ALTER PUBLICATION supabase_realtime DROP TABLE a;
SELECT * FROM captures;
SELECT realtime.follow('nothing');			-- fails
SELECT realtime.follow('captures');			-- fails
SELECT realtime.follow('realtime.messages');	-- fails
SELECT realtime.follow('pg_catalog.pg_class');	-- fails
CREATE TEMP TABLE tmp (id int);
SELECT realtime.follow('tmp');				-- fails

-- what is dropped is forgotten; what is renamed is not
SELECT realtime.follow('a'), realtime.follow('b');
ALTER TABLE a RENAME TO a2;
DROP TABLE b;
SELECT * FROM realtime.follows;
SELECT * FROM realtime.followed_tables;

-- writing works, and costs a row nothing that nobody listens to
INSERT INTO a2 VALUES (1), (2);
UPDATE a2 SET id = id + 10;
DELETE FROM a2;
-- the trigger is for followed tables, and made by us
CREATE TRIGGER mine AFTER INSERT ON a2 FOR EACH ROW EXECUTE FUNCTION realtime.capture('0');
INSERT INTO a2 VALUES (1);
DROP TRIGGER mine ON a2;
CREATE TRIGGER mine AFTER INSERT ON a2 FOR EACH STATEMENT EXECUTE FUNCTION realtime.capture();
INSERT INTO a2 VALUES (2);					-- fails
DROP TRIGGER mine ON a2;

-- who may add a table to the publication need not be able to make a trigger
CREATE ROLE follower;
GRANT USAGE, CREATE ON SCHEMA followed TO follower;
ALTER PUBLICATION supabase_realtime OWNER TO follower;
GRANT CREATE ON DATABASE postgres TO follower;
SET ROLE follower;
CREATE TABLE theirs (id int PRIMARY KEY);
ALTER PUBLICATION supabase_realtime ADD TABLE theirs;
SELECT realtime.follow('theirs');			-- fails
RESET ROLE;
SELECT * FROM captures ORDER BY tab::text;

ALTER PUBLICATION supabase_realtime OWNER TO CURRENT_USER;
SET client_min_messages = warning;
DROP SCHEMA followed, elsewhere CASCADE;
REVOKE CREATE ON DATABASE postgres FROM follower;
DROP ROLE follower;
RESET search_path;
SELECT count(*) FROM realtime.captures;
SELECT count(*) FROM realtime.follows;
