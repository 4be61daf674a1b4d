// A realtime server as one builds it with Node, Socket.IO and LISTEN: what a
// client publishes is stored, a notification carries the row's number, and one
// session that listens selects the row and emits it to the channel's room.  Run
// beside the gateway by bench/run; PGHOST and the like say where the database is.
//
// It is built to be fast: prepared statements, one round trip for a publish, the
// row and its notification committed together, a pool of sessions that write and
// one that reads, the packages' own optimisations on (a room's packet is encoded
// once) and no compression.  It keeps the order of what one client publishes and
// of what is told, which a server that handles notifications side by side does
// not.  What such a server does besides is left out: tokens, policies, presence,
// webhooks, counters, and every index but the primary key.  With --policies it
// inserts as the client's role and under its policy, in a transaction, as ours does.

import pg from 'pg'
import { Server } from 'socket.io'

const policies = process.argv.includes('--policies')
const notifications = policies ? 'rival_policies' : 'rival'
const writers = new pg.Pool({ max: 8, min: 8, idleTimeoutMillis: 0 })
const listener = new pg.Client()
const server = new Server({ transports: ['websocket'], perMessageDeflate: false, serveClient: false })

// Store a message and notify of it.
const store = (channel, event, payload, session = writers) => session.query({
  name: 'store',
  text: `WITH stored AS (INSERT INTO rival_messages (channel, event, payload) VALUES ($1, $2, $3) RETURNING id)
    SELECT pg_notify($4, id::text) FROM stored`,
  values: [channel, event, payload, notifications]
})

// The same with the rights of a client, which policies read the settings for.
async function storeAsClient (channel, event, payload) {
  const session = await writers.connect()
  try {
    await session.query('BEGIN')
    await session.query({
      name: 'become',
      text: "SELECT set_config('role', 'anon', true), set_config('request.jwt.claims', $1, true), set_config('realtime.channel_name', $2, true)",
      values: ['{"role": "anon"}', channel]
    })
    await store(channel, event, payload, session)
    await session.query('COMMIT')
  } catch (error) {
    await session.query('ROLLBACK')
    throw error
  } finally {
    session.release()
  }
}

const publish = policies ? storeAsClient : store

server.on('connection', (socket) => {
  // one at a time, so that a client's messages stay in order
  let last = Promise.resolve()

  socket.on('realtime:subscribe', async ({ channel }, answer) => {
    await socket.join(channel)
    answer?.({ ok: true, channel, presence: { members: [] } })
  })
  socket.on('realtime:unsubscribe', ({ channel }) => socket.leave(channel))
  socket.on('realtime:publish', ({ channel, event, payload }) => {
    if (!socket.rooms.has(channel)) {
      socket.emit('realtime:error', { channel, code: 'REALTIME_NOT_SUBSCRIBED', message: 'Must subscribe to channel before publishing messages' })
      return
    }
    last = last.then(() => publish(channel, event, payload)).catch((error) =>
      socket.emit('realtime:error', { channel, code: 'INTERNAL_ERROR', message: error.message }))
  })
})

// A session answers in the order in which it was asked, so that what is told
// keeps the order of the notifications.
listener.on('notification', async ({ payload: id }) => {
  const { rows: [row] } = await listener.query({
    name: 'message',
    text: 'SELECT id, channel, event, payload FROM rival_messages WHERE id = $1',
    values: [id]
  })
  server.to(row.channel).emit(row.event, {
    ...row.payload,
    meta: { channel: row.channel, messageId: row.id, senderType: 'system', timestamp: new Date().toISOString() }
  })
})

await listener.connect()
await listener.query('CREATE TABLE IF NOT EXISTS rival_messages (' +
  "id uuid PRIMARY KEY DEFAULT gen_random_uuid(), channel text NOT NULL, event text NOT NULL, payload jsonb NOT NULL DEFAULT '{}', " +
  'created_at timestamptz NOT NULL DEFAULT now())')
await listener.query('GRANT SELECT, INSERT ON rival_messages TO anon; ALTER TABLE rival_messages ENABLE ROW LEVEL SECURITY; ' +
  "DROP POLICY IF EXISTS publish ON rival_messages; CREATE POLICY publish ON rival_messages FOR ALL TO anon USING (channel LIKE 'bench-%')")
await listener.query(`LISTEN ${notifications}`)
server.listen(0)
server.httpServer.once('listening', () => console.log(`port=${server.httpServer.address().port}`))
