--
-- realtime.channels: names of channels that may be subscribed to and published
-- on, as patterns, and what policies on subscribing are written about.
--
-- A channel named N is the private room of topic N.  Subscribing takes a row that
-- is enabled, matches and can be seen under row-level security, which is off until
-- somebody enables it; publishing takes a row that is enabled and matches, and the
-- right to insert into realtime.messages.
--

CREATE FUNCTION realtime.channel_matches(pattern text, name text) RETURNS boolean
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'channel_matches';
COMMENT ON FUNCTION realtime.channel_matches(text, text) IS
	'whether a pattern of realtime.channels stands for a name: % is any run of characters, * one part between colons or, at the end, all that is left';

CREATE FUNCTION realtime.channel_name() RETURNS text
	LANGUAGE C STABLE PARALLEL SAFE
	AS 'MODULE_PATHNAME', 'realtime_channel_name';
COMMENT ON FUNCTION realtime.channel_name() IS
	'channel that is being subscribed to or published on, for use in policies';

CREATE TABLE realtime.channels
(
	id uuid NOT NULL DEFAULT gen_random_uuid(),
	pattern text NOT NULL,
	description text,
	webhook_urls text[],
	webhook_format text NOT NULL DEFAULT 'envelope',
	webhook_secret text,
	webhook_ordered boolean NOT NULL DEFAULT false,
	enabled boolean NOT NULL DEFAULT true,
	persist boolean NOT NULL DEFAULT true,
	is_public boolean NOT NULL DEFAULT true,
	owner_id uuid,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	CONSTRAINT channels_pkey PRIMARY KEY (id),
	CONSTRAINT channels_pattern_key UNIQUE (pattern),
	CONSTRAINT channels_pattern_printable CHECK (pattern <> '' AND pattern !~ '[\x01-\x1f\x7f]'),
	CONSTRAINT channels_webhook_format_known CHECK (webhook_format IN ('envelope', 'raw'))
);
COMMENT ON TABLE realtime.channels IS
	'patterns of channels; where row-level security is enabled, its policies FOR SELECT say who may subscribe';
COMMENT ON COLUMN realtime.channels.pattern IS
	'name of a channel, with the wildcards % and *; see realtime.channel_matches()';
COMMENT ON COLUMN realtime.channels.webhook_urls IS 'where its messages are posted to';
COMMENT ON COLUMN realtime.channels.webhook_format IS 'envelope: the payload and what it came with; raw: the payload';
COMMENT ON COLUMN realtime.channels.webhook_secret IS 'signs what is posted; not for clients';
COMMENT ON COLUMN realtime.channels.webhook_ordered IS 'post the messages of one channel to one URL one after the other';
COMMENT ON COLUMN realtime.channels.enabled IS 'false: as if there were no such row';
COMMENT ON COLUMN realtime.channels.persist IS 'false: messages are told and not stored';
COMMENT ON COLUMN realtime.channels.is_public IS 'for policies';
COMMENT ON COLUMN realtime.channels.owner_id IS 'for policies';

CREATE FUNCTION realtime.touch_channel() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	NEW.updated_at := now();
	RETURN NEW;
END
$$;
CREATE TRIGGER channels_touch
	BEFORE UPDATE ON realtime.channels
	FOR EACH ROW EXECUTE FUNCTION realtime.touch_channel();

-- Who looks channels up keeps those with wildcards in memory.
CREATE FUNCTION realtime.note_channel() RETURNS trigger
	LANGUAGE C VOLATILE PARALLEL UNSAFE
	AS 'MODULE_PATHNAME', 'note_channel';
COMMENT ON FUNCTION realtime.note_channel() IS
	'trigger of realtime.channels: makes all sessions read it again';
CREATE TRIGGER channels_note
	AFTER INSERT OR UPDATE OR DELETE ON realtime.channels
	FOR EACH ROW EXECUTE FUNCTION realtime.note_channel();
CREATE TRIGGER channels_note_truncate
	AFTER TRUNCATE ON realtime.channels
	FOR EACH STATEMENT EXECUTE FUNCTION realtime.note_channel();
-- in a session that replicates as well
ALTER TABLE realtime.channels ENABLE ALWAYS TRIGGER channels_note;
ALTER TABLE realtime.channels ENABLE ALWAYS TRIGGER channels_note_truncate;

REVOKE EXECUTE ON FUNCTION realtime.touch_channel(), realtime.note_channel() FROM PUBLIC;

SELECT pg_extension_config_dump('realtime.channels', '');
