--
-- Webhooks: what is to be delivered, and what could not be.
--
-- Whoever publishes on a channel with webhooks adds a row per URL to
-- realtime.webhook_deliveries, in the same transaction (src/api/webhooks.c).  The
-- courier (src/courier) fetches the rows that are due, makes the requests and
-- reports how they ended: one that was delivered is deleted, one that was not is
-- given another time, and one that is given up moves to
-- realtime.webhook_dead_letters.  There is one courier, so no row has to say that
-- it is under way, and what is under way when it dies is delivered again.
--
-- A row is found by its endpoint, lane and turn:
--
--	  endpoint	where its URL leads, as scheme://host:port.  Who is busy or does
--				not answer is left out as a whole, however much waits for him.
--	  lane		null; or, where the channel's webhooks are ordered, a number for
--				channel name and URL: of a lane only the first row can be fetched.
--	  turn		without a lane, the time of the next attempt; in a lane, the LSN of
--				the commit of its message, null until realtime.commits has it.
--

CREATE SEQUENCE realtime.webhook_delivery_ids CACHE 32;

CREATE TABLE realtime.webhook_deliveries
(
	id bigint NOT NULL DEFAULT nextval('realtime.webhook_delivery_ids'),
	message_id uuid NOT NULL,
	inserted_at timestamptz NOT NULL,
	channel_id uuid NOT NULL,
	channel_name text NOT NULL,
	event text NOT NULL,
	payload jsonb NOT NULL,
	sender_type text NOT NULL DEFAULT 'system',
	sender_id uuid,
	url text NOT NULL,
	attempts integer NOT NULL DEFAULT 0,
	next_attempt_at timestamptz NOT NULL DEFAULT now(),
	last_status integer,
	last_error text,
	created_at timestamptz NOT NULL DEFAULT now(),
	endpoint text COLLATE "C" NOT NULL,
	lane bigint,
	turn bigint,
	xid xid8,
	number integer NOT NULL,
	CONSTRAINT webhook_deliveries_pkey PRIMARY KEY (id)
)
WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000);
COMMENT ON TABLE realtime.webhook_deliveries IS
	'what is still to be delivered to webhooks, a row for each message and URL';
COMMENT ON COLUMN realtime.webhook_deliveries.inserted_at IS 'of the message, as in realtime.messages';
COMMENT ON COLUMN realtime.webhook_deliveries.last_status IS 'of the answer to the last attempt; null if there was none';
COMMENT ON COLUMN realtime.webhook_deliveries.endpoint IS 'scheme, host and port of the URL';
COMMENT ON COLUMN realtime.webhook_deliveries.lane IS 'rows with the same one are delivered one after the other';
COMMENT ON COLUMN realtime.webhook_deliveries.turn IS 'its place among those of its endpoint and lane';

CREATE INDEX webhook_deliveries_turn_idx
	ON realtime.webhook_deliveries (endpoint, lane, turn, number, id);
CREATE INDEX webhook_deliveries_unnumbered_idx
	ON realtime.webhook_deliveries (xid, number, id) WHERE lane IS NOT NULL AND turn IS NULL;

CREATE TABLE realtime.webhook_dead_letters
(
	id bigint NOT NULL,
	message_id uuid NOT NULL,
	inserted_at timestamptz NOT NULL,
	channel_id uuid NOT NULL,
	channel_name text NOT NULL,
	event text NOT NULL,
	payload jsonb NOT NULL,
	sender_type text NOT NULL,
	sender_id uuid,
	url text NOT NULL,
	attempts integer NOT NULL,
	last_status integer,
	last_error text,
	created_at timestamptz NOT NULL,
	died_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT webhook_dead_letters_pkey PRIMARY KEY (id)
);
COMMENT ON TABLE realtime.webhook_dead_letters IS
	'deliveries that were given up, until realtime.retention; see realtime.redeliver()';
CREATE INDEX webhook_dead_letters_message_id_idx ON realtime.webhook_dead_letters (message_id);

-- Rows in lanes have their turns as far as commits up to lsn go.
CREATE TABLE realtime.webhook_progress
(
	is_only_row boolean PRIMARY KEY DEFAULT true CHECK (is_only_row),
	lsn pg_lsn NOT NULL DEFAULT '0/0',
	looked_at timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE realtime.webhook_progress IS 'up to which commit deliveries know their turns';
INSERT INTO realtime.webhook_progress DEFAULT VALUES;

CREATE FUNCTION realtime.note_webhooks_due() RETURNS void
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'note_webhooks_due';
COMMENT ON FUNCTION realtime.note_webhooks_due() IS
	'tell the courier, when this transaction commits, to look for deliveries';

CREATE FUNCTION realtime.webhook_endpoint(url text) RETURNS text
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'sql_webhook_endpoint';
COMMENT ON FUNCTION realtime.webhook_endpoint(text) IS
	'scheme, host and port of a URL; invalid: if it is none that can be delivered to';

-- A time as a turn: microseconds since 2000, as PostgreSQL counts.
CREATE FUNCTION realtime.webhook_turn(at timestamptz) RETURNS bigint
	LANGUAGE sql STABLE STRICT PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT (extract(epoch FROM at) * 1000000)::bigint - 946684800000000 $$;

-- Rows that any statement inserts, as a restore does.  What they say about
-- commits is not of this server: in a lane they come before all that is.
CREATE FUNCTION realtime.adopt_webhook() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	NEW.endpoint := realtime.webhook_endpoint(NEW.url);
	NEW.turn := CASE WHEN NEW.lane IS NULL THEN realtime.webhook_turn(NEW.next_attempt_at) ELSE 0 END;
	NEW.xid := NULL;
	NEW.number := 0;
	RETURN NEW;
END
$$;

CREATE FUNCTION realtime.adopted_webhooks() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	PERFORM realtime.note_webhooks_due();
	RETURN NULL;
END
$$;

CREATE TRIGGER webhook_deliveries_adopt
	BEFORE INSERT ON realtime.webhook_deliveries
	FOR EACH ROW EXECUTE FUNCTION realtime.adopt_webhook();
CREATE TRIGGER webhook_deliveries_adopted
	AFTER INSERT ON realtime.webhook_deliveries
	FOR EACH STATEMENT EXECUTE FUNCTION realtime.adopted_webhooks();

--
-- What the hub and the courier call.
--

CREATE FUNCTION realtime.look_for_webhooks(request jsonb, OUT status integer, OUT body jsonb)
	LANGUAGE sql STABLE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN EXISTS (SELECT FROM realtime.webhook_deliveries) THEN 200 ELSE 404 END, 'null'::jsonb
$$;
COMMENT ON FUNCTION realtime.look_for_webhooks(jsonb) IS
	'status 200 if there is something to deliver, else 404';

-- Give rows in lanes their turns, in the order of the commits, a bounded number at
-- a time.  Returns whether there is more to do at once.
--
-- A transaction that the hub could not record, because the WAL was lost, has no
-- commit to go by.  After a while it gets the place behind all that have.
CREATE FUNCTION realtime.number_webhooks() RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	AS $$
DECLARE
	most_commits CONSTANT integer := 5000;
	most_rows CONSTANT integer := 2000;
	patience CONSTANT interval := '10 minutes';
	progress record;
	upto pg_lsn;
	committed record;
	room integer := most_rows;
	numbered integer;
BEGIN
	-- in one statement, hence in one snapshot: what it does not see has not been
	-- recorded either
	SELECT p.lsn, p.looked_at,
		   EXISTS (SELECT FROM realtime.webhook_deliveries d WHERE d.lane IS NOT NULL AND d.turn IS NULL) AS wanted,
		   (SELECT c.lsn FROM realtime.commits c ORDER BY c.lsn DESC LIMIT 1) AS newest
	INTO STRICT progress
	FROM realtime.webhook_progress p;

	IF NOT progress.wanted THEN
		IF progress.looked_at < now() - interval '10 seconds' AND progress.newest > progress.lsn THEN
			UPDATE realtime.webhook_progress p SET lsn = progress.newest, looked_at = now();
		END IF;
		RETURN false;
	END IF;

	SELECT max(c.lsn) INTO upto
	FROM (SELECT c.lsn FROM realtime.commits c WHERE c.lsn > progress.lsn ORDER BY c.lsn LIMIT most_commits) c;
	IF upto IS NULL THEN
		UPDATE realtime.webhook_deliveries d SET turn = progress.lsn - '0/0'::pg_lsn + 1
		WHERE d.id IN (SELECT o.id FROM realtime.webhook_deliveries o
					   WHERE o.lane IS NOT NULL AND o.turn IS NULL AND o.created_at < now() - patience
					   ORDER BY o.xid, o.number, o.id LIMIT most_rows);
		RETURN false;
	END IF;

	FOR committed IN
		SELECT c.lsn, c.xid
		FROM realtime.commits c
		WHERE c.lsn > progress.lsn AND c.lsn <= upto
		  AND EXISTS (SELECT FROM realtime.webhook_deliveries d
					  WHERE d.xid = c.xid AND d.lane IS NOT NULL AND d.turn IS NULL)
		ORDER BY c.lsn
	LOOP
		UPDATE realtime.webhook_deliveries d SET turn = committed.lsn - '0/0'::pg_lsn
		WHERE d.id IN (SELECT o.id FROM realtime.webhook_deliveries o
					   WHERE o.xid = committed.xid AND o.lane IS NOT NULL AND o.turn IS NULL
					   ORDER BY o.xid, o.number, o.id LIMIT room);
		GET DIAGNOSTICS numbered = ROW_COUNT;
		room := room - numbered;
		IF room = 0 THEN
			RETURN true;		-- those that are left are found again
		END IF;
	END LOOP;
	UPDATE realtime.webhook_progress p SET lsn = upto, looked_at = now();
	RETURN upto < progress.newest;
END
$$;

-- What is due of one endpoint: rows without a lane, then the first ones of lanes,
-- as many of each as there is room for, from a random lane on, so that all have
-- their chance.
CREATE FUNCTION realtime.due_webhooks(
		of_endpoint text, room integer, since bigint, held bigint[], held_lanes bigint[])
	RETURNS TABLE (id bigint, size integer)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET enable_bitmapscan = off
	SET enable_sort = off
	SET plan_cache_mode = force_generic_plan
	AS $$
DECLARE
	this_moment CONSTANT bigint := realtime.webhook_turn(clock_timestamp());
	first_lane CONSTANT bigint := ((random() - 0.5) * 1.8e19)::bigint;
	wrapped boolean := false;
	last_lane bigint := first_lane;
	next_lane bigint;
	head_is_due boolean;
	lanes bigint[] := '{}';
	fetched integer;
BEGIN
	RETURN QUERY
	SELECT d.id, octet_length(d.payload::text)
	FROM realtime.webhook_deliveries d
	WHERE d.endpoint = of_endpoint AND d.lane IS NULL
	  AND d.turn >= since AND d.turn <= this_moment
	  AND d.id <> ALL (held)
	ORDER BY d.endpoint, d.lane, d.turn, d.number, d.id
	LIMIT room;
	GET DIAGNOSTICS fetched = ROW_COUNT;
	room := room - fetched;

	WHILE cardinality(lanes) < room LOOP
		SELECT d.lane, d.turn IS NOT NULL AND d.next_attempt_at <= clock_timestamp()
		INTO next_lane, head_is_due
		FROM realtime.webhook_deliveries d
		WHERE d.endpoint = of_endpoint AND d.lane > last_lane
		ORDER BY d.endpoint, d.lane, d.turn, d.number, d.id
		LIMIT 1;
		IF wrapped AND (next_lane IS NULL OR next_lane > first_lane) THEN
			EXIT;
		ELSIF next_lane IS NULL THEN
			wrapped := true;
			last_lane := -9223372036854775808;
			CONTINUE;
		END IF;
		last_lane := next_lane;
		IF head_is_due AND next_lane <> ALL (held_lanes) THEN
			lanes := lanes || next_lane;
		END IF;
	END LOOP;

	FOREACH next_lane IN ARRAY lanes LOOP
		RETURN QUERY
		SELECT d.id, octet_length(d.payload::text)
		FROM realtime.webhook_deliveries d
		WHERE d.endpoint = of_endpoint AND d.lane = next_lane AND d.turn IS NOT NULL
		ORDER BY d.endpoint, d.lane, d.turn, d.number, d.id
		LIMIT room / cardinality(lanes);
	END LOOP;
END
$$;

-- Give deliveries up.
CREATE FUNCTION realtime.bury_webhooks(ids bigint[], reason text) RETURNS void
	LANGUAGE sql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	WITH buried AS (DELETE FROM realtime.webhook_deliveries d WHERE d.id = ANY (ids) RETURNING d.*)
	INSERT INTO realtime.webhook_dead_letters
		(id, message_id, inserted_at, channel_id, channel_name, event, payload, sender_type, sender_id, url,
		 attempts, last_status, last_error, created_at)
	SELECT b.id, b.message_id, b.inserted_at, b.channel_id, b.channel_name, b.event, b.payload, b.sender_type, b.sender_id, b.url,
		   b.attempts, b.last_status, reason, b.created_at
	FROM buried b
$$;

-- The next deliveries to be made.
--
-- The request has what the courier is busy with: ids it holds and lanes it is in,
-- as texts of arrays, and room, how many more it takes of an endpoint, in rooms
-- for those that are not like all others.  It goes on behind the endpoint "after".
-- Where it says "since" for an endpoint, all turns before have been looked at, and
-- those in "rooms" are taken to be there: what is deleted, and not removed yet for
-- the sake of some old snapshot, is not looked at again and again.
--
-- The answer says whether there is "more" to be had at once, and whether some are
-- "waiting": held by the courier or not due yet.
CREATE FUNCTION realtime.fetch_webhooks(request jsonb, OUT status integer, OUT body jsonb)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET plan_cache_mode = force_generic_plan
	SET timezone = 'UTC'
	AS $$
DECLARE
	most_bytes CONSTANT integer := 4 * 1024 * 1024;
	too_large CONSTANT integer := 7 * 1024 * 1024;
	behind_all CONSTANT text := '~';
	most CONSTANT integer := (request ->> 'most')::integer;
	usual_room CONSTANT integer := (request ->> 'room')::integer;
	held CONSTANT bigint[] := request ->> 'held';
	held_lanes CONSTANT bigint[] := request ->> 'lanes';
	first_endpoint CONSTANT text COLLATE "C" := request ->> 'after';
	last_endpoint text COLLATE "C" := first_endpoint;
	next_endpoint text COLLATE "C";
	next_known text COLLATE "C";
	known CONSTANT text[] := ARRAY(SELECT k FROM jsonb_object_keys(request -> 'rooms') k WHERE request ? 'since');
	wrapped boolean := false;
	waiting boolean := false;
	more boolean;
	room integer;
	due record;
	ids bigint[] := '{}';
	bytes integer := 0;
	deliveries jsonb;
	orphans bigint[];
BEGIN
	PERFORM set_config('synchronous_commit', 'off', true);
	more := realtime.number_webhooks();

	<<endpoints>>
	LOOP
		-- the next one that is known, or one before it that is not
		SELECT min(k COLLATE "C") INTO next_known FROM unnest(known) k WHERE k COLLATE "C" > last_endpoint;
		SELECT d.endpoint INTO next_endpoint
		FROM realtime.webhook_deliveries d
		WHERE d.endpoint > last_endpoint AND d.endpoint < coalesce(next_known, behind_all)
		ORDER BY d.endpoint
		LIMIT 1;
		next_endpoint := coalesce(next_endpoint, next_known);
		IF wrapped AND (next_endpoint IS NULL OR next_endpoint > first_endpoint) THEN
			EXIT;
		ELSIF next_endpoint IS NULL THEN
			wrapped := true;
			last_endpoint := '';
			CONTINUE;
		END IF;
		last_endpoint := next_endpoint;
		waiting := true;
		room := least(coalesce((request -> 'rooms' ->> next_endpoint)::integer, usual_room),
					  most - cardinality(ids));
		CONTINUE WHEN room <= 0;

		FOR due IN SELECT * FROM realtime.due_webhooks(
				next_endpoint, room, coalesce((request -> 'since' ->> next_endpoint)::bigint, 0), held, held_lanes) LOOP
			IF due.size > too_large THEN
				PERFORM realtime.bury_webhooks(ARRAY[due.id], 'the payload is too large');
				CONTINUE;
			END IF;
			IF bytes > 0 AND bytes + due.size > most_bytes THEN
				more := true;
				EXIT endpoints;
			END IF;
			ids := ids || due.id;
			bytes := bytes + due.size;
		END LOOP;
		IF cardinality(ids) >= most THEN
			more := true;
			EXIT;
		END IF;
	END LOOP;

	SELECT jsonb_agg(jsonb_build_object(
			   'id', d.id,
			   'endpoint', d.endpoint,
			   'lane', d.lane,
			   'turn', d.turn,
			   'url', d.url,
			   'event', d.event,
			   'channel', d.channel_name,
			   'messageId', d.message_id,
			   'attempts', d.attempts,
			   'secret', c.webhook_secret,
			   'body', CASE c.webhook_format WHEN 'raw' THEN d.payload ELSE jsonb_build_object(
				   'event', d.event,
				   'channelName', d.channel_name,
				   'channelId', d.channel_id,
				   'payload', d.payload,
				   'senderId', d.sender_id,
				   'senderType', d.sender_type,
				   'messageId', d.message_id,
				   'timestamp', to_char(d.inserted_at, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) END)
			   ORDER BY i.place) FILTER (WHERE d.url = ANY (c.webhook_urls)),
		   array_agg(d.id) FILTER (WHERE (d.url = ANY (c.webhook_urls)) IS NOT TRUE)
	INTO deliveries, orphans
	FROM unnest(ids) WITH ORDINALITY i(id, place)
		 JOIN realtime.webhook_deliveries d ON d.id = i.id
		 LEFT JOIN realtime.channels c ON c.id = d.channel_id;
	IF orphans IS NOT NULL THEN
		PERFORM realtime.bury_webhooks(orphans, 'the channel has no such webhook any more');
	END IF;

	status := 200;
	body := jsonb_build_object(
		'deliveries', coalesce(deliveries, '[]'),
		'after', last_endpoint,
		'more', more,
		'waiting', waiting);
END
$$;
COMMENT ON FUNCTION realtime.fetch_webhooks(jsonb) IS 'the next deliveries to be made, for the courier';

-- How deliveries ended: ids of those that were made, and those that failed, to be
-- made again after retryMs or, where that is null, given up.  A URL counts as
-- attempted at the first of its attempts, which finds no last_error.
CREATE FUNCTION realtime.finish_webhooks(request jsonb, OUT status integer, OUT body jsonb)
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET plan_cache_mode = force_generic_plan
	AS $$
DECLARE
	delivered CONSTANT bigint[] := request ->> 'delivered';
	tracked CONSTANT boolean := coalesce(current_setting('realtime.delivery_tracking', true), 'on')::boolean;
	failed record;
BEGIN
	-- what a crash forgets is delivered again
	PERFORM set_config('synchronous_commit', 'off', true);

	WITH gone AS (
		DELETE FROM realtime.webhook_deliveries d WHERE d.id = ANY (delivered)
		RETURNING d.message_id, d.inserted_at, d.last_error IS NULL AS is_first)
	INSERT INTO realtime.message_audience (message_id, inserted_at, wh_audience, wh_delivered)
	SELECT g.message_id, g.inserted_at, count(*) FILTER (WHERE g.is_first), count(*)
	FROM gone g
	WHERE tracked
	GROUP BY g.message_id, g.inserted_at;

	IF tracked THEN
		INSERT INTO realtime.message_audience (message_id, inserted_at, wh_audience)
		SELECT d.message_id, d.inserted_at, count(*)
		FROM realtime.webhook_deliveries d
		WHERE d.id IN (SELECT f.id FROM jsonb_to_recordset(request -> 'failed') f(id bigint))
		  AND d.last_error IS NULL
		GROUP BY d.message_id, d.inserted_at;
	END IF;
	FOR failed IN
		SELECT f.id, f.status, f.error, clock_timestamp() + f."retryMs" * interval '1 millisecond' AS retry_at
		FROM jsonb_to_recordset(request -> 'failed') f(id bigint, status integer, error text, "retryMs" bigint)
	LOOP
		UPDATE realtime.webhook_deliveries d
		SET attempts = d.attempts + 1,
			last_status = failed.status,
			last_error = failed.error,
			next_attempt_at = coalesce(failed.retry_at, d.next_attempt_at),
			turn = CASE WHEN d.lane IS NULL AND failed.retry_at IS NOT NULL
				THEN realtime.webhook_turn(failed.retry_at) ELSE d.turn END
		WHERE d.id = failed.id;
		IF failed.retry_at IS NULL THEN
			PERFORM realtime.bury_webhooks(ARRAY[failed.id], failed.error);
		END IF;
	END LOOP;

	status := 200;
	body := 'null';
END
$$;
COMMENT ON FUNCTION realtime.finish_webhooks(jsonb) IS 'how deliveries ended, from the courier';

--
-- For operators.
--

CREATE FUNCTION realtime.redeliver(message_id uuid) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	due integer;
	more integer;
BEGIN
	-- what waits for another attempt, or was given up
	UPDATE realtime.webhook_deliveries d
	SET next_attempt_at = now(),
		turn = CASE WHEN d.lane IS NULL THEN realtime.webhook_turn(now()) ELSE d.turn END
	WHERE d.message_id = redeliver.message_id;
	GET DIAGNOSTICS due = ROW_COUNT;
	WITH raised AS (DELETE FROM realtime.webhook_dead_letters l WHERE l.message_id = redeliver.message_id RETURNING l.*)
	INSERT INTO realtime.webhook_deliveries
		(id, message_id, inserted_at, channel_id, channel_name, event, payload, sender_type, sender_id, url,
		 last_status, last_error, created_at)
	SELECT r.id, r.message_id, r.inserted_at, r.channel_id, r.channel_name, r.event, r.payload, r.sender_type, r.sender_id, r.url,
		   r.last_status, r.last_error, r.created_at
	FROM raised r;
	GET DIAGNOSTICS more = ROW_COUNT;
	due := due + more;

	-- else all of it once more
	IF due = 0 THEN
		INSERT INTO realtime.webhook_deliveries
			(message_id, inserted_at, channel_id, channel_name, event, payload, sender_type, sender_id, url)
		SELECT m.id, m.inserted_at, m.channel_id, m.topic, m.event, coalesce(m.payload, 'null'), m.sender_type, m.sender_id, u.url
		FROM realtime.messages m
			 JOIN realtime.channels c ON c.id = m.channel_id,
			 unnest(c.webhook_urls) u(url)
		WHERE m.id = redeliver.message_id AND u.url IS NOT NULL;
		GET DIAGNOSTICS due = ROW_COUNT;
	END IF;
	PERFORM realtime.note_webhooks_due();
	RETURN due;
END
$$;
COMMENT ON FUNCTION realtime.redeliver(uuid) IS
	'deliver a message to webhooks now: what of it waits or was given up, else all of it again; returns how many deliveries';

CREATE FUNCTION realtime.redeliver(dead_letter bigint) RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	WITH raised AS (DELETE FROM realtime.webhook_dead_letters l WHERE l.id = dead_letter RETURNING l.*)
	INSERT INTO realtime.webhook_deliveries
		(id, message_id, inserted_at, channel_id, channel_name, event, payload, sender_type, sender_id, url,
		 last_status, last_error, created_at)
	SELECT r.id, r.message_id, r.inserted_at, r.channel_id, r.channel_name, r.event, r.payload, r.sender_type, r.sender_id, r.url,
		   r.last_status, r.last_error, r.created_at
	FROM raised r;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION realtime.redeliver(bigint) IS 'deliver a dead letter once more; returns whether there was one';

-- A delivery to each URL of a channel, of a message that nobody else gets.
CREATE FUNCTION realtime.test_webhooks(channel_id uuid) RETURNS integer
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	message CONSTANT uuid := realtime.uuid_v7();
	due integer;
BEGIN
	INSERT INTO realtime.webhook_deliveries
		(message_id, inserted_at, channel_id, channel_name, event, payload, url)
	SELECT message, now(), c.id, c.pattern, 'webhook.test', '{"test": true}', u.url
	FROM realtime.channels c, unnest(c.webhook_urls) u(url)
	WHERE c.id = test_webhooks.channel_id AND u.url IS NOT NULL;
	GET DIAGNOSTICS due = ROW_COUNT;
	RETURN due;
END
$$;
COMMENT ON FUNCTION realtime.test_webhooks(uuid) IS
	'deliver a test to the webhooks of a channel; returns how many there are';

-- Dead letters that are too old to be kept; returns their number.
CREATE FUNCTION realtime.delete_dead_letters(oldest timestamptz) RETURNS bigint
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	deleted bigint;
BEGIN
	DELETE FROM realtime.webhook_dead_letters l WHERE l.died_at < oldest;
	GET DIAGNOSTICS deleted = ROW_COUNT;
	RETURN deleted;
END
$$;

REVOKE EXECUTE ON FUNCTION
	realtime.note_webhooks_due(), realtime.webhook_turn(timestamptz),
	realtime.adopt_webhook(), realtime.adopted_webhooks(), realtime.number_webhooks(),
	realtime.due_webhooks(text, integer, bigint, bigint[], bigint[]), realtime.bury_webhooks(bigint[], text),
	realtime.look_for_webhooks(jsonb), realtime.fetch_webhooks(jsonb), realtime.finish_webhooks(jsonb),
	realtime.redeliver(uuid), realtime.redeliver(bigint), realtime.test_webhooks(uuid), realtime.delete_dead_letters(timestamptz)
	FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
	realtime.look_for_webhooks(jsonb), realtime.fetch_webhooks(jsonb), realtime.finish_webhooks(jsonb)
	TO realtime_executor;

SELECT pg_extension_config_dump('realtime.webhook_delivery_ids', '');
SELECT pg_extension_config_dump('realtime.webhook_deliveries', '');
SELECT pg_extension_config_dump('realtime.webhook_dead_letters', '');
