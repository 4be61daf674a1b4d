--
-- History is plain SQL: what the caller may SELECT from realtime.messages.
--
-- Pages go by (inserted_at, id), which is unique: pass those of the last row of
-- a page as "before" and "before_id" to get the next one.  Each comparison is
-- one that the index on (topic, inserted_at, id) can use whatever is null, and
-- the second one on inserted_at leaves out whole partitions.
--
-- Without sorting, the plan is a merge of index scans that stops after
-- max_rows.  Left alone the planner would, for unknown arguments, take any
-- topic for a small one, and read and sort all of it.
--

CREATE FUNCTION realtime.history(
		topic text,
		before timestamptz DEFAULT NULL,
		after timestamptz DEFAULT NULL,
		max_rows integer DEFAULT 100,
		before_id uuid DEFAULT NULL)
	RETURNS SETOF realtime.messages
	LANGUAGE SQL STABLE PARALLEL SAFE
	SET enable_sort = off
BEGIN ATOMIC
	SELECT m.*
	FROM realtime.messages m
	WHERE m.topic = history.topic
	  AND m.extension = 'broadcast'
	  AND (m.inserted_at, m.id) <
		  (coalesce(history.before, 'infinity'),
		   coalesce(history.before_id, '00000000-0000-0000-0000-000000000000'))
	  AND m.inserted_at <= coalesce(history.before, 'infinity')
	  AND m.inserted_at > coalesce(history.after, '-infinity')
	ORDER BY m.inserted_at DESC, m.id DESC
	LIMIT history.max_rows;
END;
COMMENT ON FUNCTION realtime.history(text, timestamptz, timestamptz, integer, uuid) IS
	'messages of a topic, newest first';
