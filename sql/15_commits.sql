--
-- realtime.commits: in which order transactions with messages committed.
--
-- Neither id nor inserted_at of a message tells when it committed.  Whatever
-- reads the past in the order in which clients heard it joins realtime.messages
-- with this table by xid.  Executors write it in batches, a moment after the
-- messages were released; the hub, when the server starts, goes on from the row
-- with the highest lsn, which maintenance therefore never drops.
--

CREATE TABLE realtime.commits
(
	lsn pg_lsn NOT NULL,
	xid xid8 NOT NULL,
	messages integer NOT NULL,
	committed_at timestamptz NOT NULL,
	restart_lsn pg_lsn NOT NULL,
	epoch bigint NOT NULL,
	timeline integer NOT NULL,
	CONSTRAINT commits_pkey PRIMARY KEY (lsn, committed_at)
)
PARTITION BY RANGE (committed_at);
COMMENT ON TABLE realtime.commits IS
	'one row for each committed transaction with messages, in daily partitions like realtime.messages';
COMMENT ON COLUMN realtime.commits.lsn IS 'end of its commit record: the order of commits';
COMMENT ON COLUMN realtime.commits.xid IS 'the transaction; realtime.messages has it too';
COMMENT ON COLUMN realtime.commits.messages IS 'how many messages it sent';
COMMENT ON COLUMN realtime.commits.restart_lsn IS
	'reading the WAL from here finds all messages of transactions that commit later';
COMMENT ON COLUMN realtime.commits.epoch IS 'changes when the hub could not go on without a gap';

-- An insert never fails for want of a day's partition.
CREATE TABLE realtime.commits_default PARTITION OF realtime.commits DEFAULT;

CREATE INDEX commits_xid_idx ON realtime.commits (xid);

GRANT SELECT, INSERT ON realtime.commits TO realtime_executor;
