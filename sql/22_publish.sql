--
-- Publishing on channels from the database.
--
-- With the rights of the extension's owner: who may call these may publish on
-- any channel.  So they are not for everybody, and functions of others that call
-- them for a client have to be SECURITY DEFINER.
--

CREATE FUNCTION realtime.publish(channel text, event text, payload jsonb) RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'realtime_publish';
COMMENT ON FUNCTION realtime.publish(text, text, jsonb) IS
	'publish a message on a channel when this transaction commits; returns its id, or null where no enabled channel matches';

CREATE FUNCTION realtime.publish(channel text, event text, payload jsonb, type text) RETURNS uuid
	LANGUAGE C VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'realtime_publish';
COMMENT ON FUNCTION realtime.publish(text, text, jsonb, text) IS
	'the same, with what its listeners are told of it: type is message or broadcast';

-- The name that a trigger's argument stands for: {column} is the value of that
-- column.  Null if one of these is null.
CREATE FUNCTION realtime.fill_channel_name(template text, record jsonb) RETURNS text
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	name text := '';
	piece text[];
BEGIN
	FOR piece IN SELECT regexp_matches(template, '([^{]+|\{([^}]*)\})', 'g') LOOP
		IF piece[2] IS NOT NULL AND NOT record ? piece[2] THEN
			RAISE EXCEPTION 'column "%" does not exist', piece[2]
				USING ERRCODE = 'undefined_column',
					  HINT = format('It stands in the argument "%s" of a trigger.', template);
		END IF;
		name := name || CASE WHEN piece[2] IS NULL THEN piece[1] ELSE record ->> piece[2] END;
	END LOOP;
	RETURN name;
END
$$;

CREATE FUNCTION realtime.publish_changes() RETURNS trigger
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	new_row jsonb;
	old_row jsonb;
	row jsonb;
	channel text;
BEGIN
	IF TG_WHEN <> 'AFTER' OR TG_LEVEL <> 'ROW' THEN
		RAISE EXCEPTION 'function "publish_changes" must be fired AFTER a command FOR EACH ROW'
			USING ERRCODE = 'trigger_protocol_violated';
	END IF;
	IF TG_OP <> 'DELETE' THEN
		new_row := to_jsonb(NEW);
	END IF;
	IF TG_OP <> 'INSERT' THEN
		old_row := to_jsonb(OLD);
	END IF;
	row := coalesce(new_row, old_row);
	channel := TG_TABLE_NAME;
	IF TG_NARGS > 0 THEN
		channel := realtime.fill_channel_name(TG_ARGV[0], row);
		IF channel IS NULL THEN
			RETURN NULL;
		END IF;
	END IF;
	IF TG_OP <> 'INSERT' THEN
		row := row || jsonb_build_object('old_record', old_row);
	END IF;
	PERFORM realtime.publish(channel, TG_OP, row);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION realtime.publish_changes() IS
	'row trigger: publishes INSERT, UPDATE and DELETE on the channel that its argument names, as ''order:{id}'', or that is named like the table';

REVOKE EXECUTE ON FUNCTION
	realtime.publish(text, text, jsonb), realtime.publish(text, text, jsonb, text),
	realtime.fill_channel_name(text, jsonb), realtime.publish_changes()
	FROM PUBLIC;
