#-------------------------------------------------------------------------
#
# ExtensionCatalog.pm
#	  All that the catalog says of the extension, as text that can be compared.
#
# Left out is what is no part of a version: object ids, the order in which
# things were made, and the partitions of days.
#
#-------------------------------------------------------------------------
package ExtensionCatalog;

use strict;
use warnings;

my $query = <<'SQL';
WITH ours AS (
	SELECT c.oid, c.relname, c.relkind, c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.reloptions, c.relpersistence
	FROM pg_class c
	WHERE c.relnamespace = 'realtime'::regnamespace AND (NOT c.relispartition OR c.relname ~ '_default')
)
SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") FROM (
	SELECT 'member ' || pg_describe_object(d.classid, d.objid, 0) AS line
	FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
	WHERE e.extname = 'realtime'
	UNION ALL
	SELECT concat_ws(' ', 'initial rights', pg_describe_object(p.classoid, p.objoid, p.objsubid), p.privtype, p.initprivs)
	FROM pg_init_privs p JOIN pg_depend d ON d.classid = p.classoid AND d.objid = p.objoid AND d.deptype = 'e'
		 JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND e.extname = 'realtime'
	UNION ALL
	SELECT 'schema ' || n.nspacl::text FROM pg_namespace n WHERE n.nspname = 'realtime'
	UNION ALL
	SELECT concat_ws(' ', 'function', pg_get_functiondef(p.oid), p.proacl, obj_description(p.oid, 'pg_proc'))
	FROM pg_proc p WHERE p.pronamespace = 'realtime'::regnamespace AND p.prokind <> 'a'
	UNION ALL
	SELECT concat_ws(' ', 'relation', c.relname, c.relkind, c.relacl, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
					 c.relpersistence, obj_description(c.oid, 'pg_class'),
					 CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) WHEN 'i' THEN pg_get_indexdef(c.oid)
					 WHEN 'I' THEN pg_get_indexdef(c.oid) END)
	FROM ours c
	UNION ALL
	SELECT concat_ws(' ', 'column', c.relname, a.attname,
					 row_number() OVER (PARTITION BY c.oid ORDER BY a.attnum), format_type(a.atttypid, a.atttypmod),
					 a.attnotnull, a.attgenerated, a.attcollation::regcollation, a.attacl, pg_get_expr(d.adbin, d.adrelid),
					 col_description(c.oid, a.attnum))
	FROM ours c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		 LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
	UNION ALL
	SELECT concat_ws(' ', 'constraint', c.relname, k.conname, k.convalidated, pg_get_constraintdef(k.oid))
	FROM ours c JOIN pg_constraint k ON k.conrelid = c.oid
	UNION ALL
	SELECT concat_ws(' ', 'trigger', c.relname, t.tgenabled, pg_get_triggerdef(t.oid))
	FROM ours c JOIN pg_trigger t ON t.tgrelid = c.oid WHERE NOT t.tgisinternal
	UNION ALL
	SELECT concat_ws(' ', 'policy', p.tablename, p.policyname, p.permissive, p.roles, p.cmd, p.qual, p.with_check)
	FROM pg_policies p WHERE p.schemaname = 'realtime'
	UNION ALL
	SELECT concat_ws(' ', 'event trigger', t.evtname, t.evtevent, t.evtfoid::regprocedure, t.evtenabled, t.evttags)
	FROM pg_event_trigger t
	UNION ALL
	SELECT concat_ws(' ', 'dumped', k.relation::regclass, k.condition)
	FROM pg_extension e, unnest(e.extconfig, e.extcondition) k(relation, condition) WHERE e.extname = 'realtime'
	UNION ALL
	SELECT concat_ws(' ', 'version', e.extversion, e.extrelocatable, n.nspname)
	FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'realtime'
) lines
SQL

# Of a database of a RealtimeServer, a line or more for each thing.
sub of
{
	my ($server, $database) = @_;
	return $server->sql($query, $database);
}

# The first lines in which two differ, '' if none do.
sub difference
{
	my ($had, $wanted) = @_;
	my %had = map { $_ => 1 } split /\n/, $had;
	my %wanted = map { $_ => 1 } split /\n/, $wanted;
	my @lines = ((map { "only here: $_" } grep { !$wanted{$_} } sort keys %had),
		(map { "missing: $_" } grep { !$had{$_} } sort keys %wanted));

	return join "\n", @lines[ 0 .. ($#lines < 19 ? $#lines : 19) ];
}

1;
