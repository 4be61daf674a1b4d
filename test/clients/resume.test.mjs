// clients/js/realtime-resume.js: unmodified clients whose gateways are killed while
// a writer commits hear every message once and in order, whatever they had
// missed; a page that is loaded again goes on where it was; and one that cannot
// go on is told.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { resumable } from '../../clients/js/realtime-resume.js'
import { database, dialects, disconnect, killGateways, patience, phoenixSocket, subscribe, userToken, waitFor } from './support.mjs'

const kills = 4
let db
before(async () => { db = await database() })
after(async () => { await db.end() })

// Options of a client that comes back quickly.
const eager = { reconnectAfterMs: () => 50 }

const numbers = (got) => got.map((message) => message.payload.n)
const upTo = (count) => Array.from({ length: count }, (_, n) => n + 1)
const send = (topic, n, secret = false) =>
  db.query("SELECT realtime.send(jsonb_build_object('n', $1::int), 'e', $2, $3)", [n, topic, secret])

// A subscribed channel that resumes, with what it heard and was told.
async function resuming (client, topic, options = {}, config = {}) {
  const told = { got: [], recovered: 0, lost: [], cursor: null }
  const channel = resumable(client.channel(topic, { config }), {
    ...options,
    onRecovered: () => { told.recovered++ },
    onLost: ({ reason }) => told.lost.push(reason),
    onCursor: (cursor) => { told.cursor = cursor }
  })
  channel.on('broadcast', { event: '*' }, (message) => told.got.push(message))
  await subscribe(channel)
  return { channel, told, until: (count) => waitFor(() => told.got.length >= count, `${count} messages`) }
}

test('gateways are killed while a writer commits', { timeout: patience * 6 }, async () => {
  const user = randomUUID()
  const secret = `room:${randomUUID()}`
  await db.query("INSERT INTO room_members VALUES ($1, split_part($2, ':', 2)::uuid)", [user, secret])
  const accessToken = async () => userToken(user)
  const members = []
  for (const dialect of dialects) {
    const client = dialect.connect(eager, { accessToken })
    await client.realtime.setAuth()
    members.push({ name: dialect.name, client, open: await resuming(client, 'resume:kills'), closed: await resuming(client, secret, {}, { private: true }) })
  }
  const phoenix = phoenixSocket({ reconnectAfterMs: () => 50, rejoinAfterMs: () => 50 })
  const raw = { got: [], recovered: 0 }
  const channel = resumable(phoenix.channel('realtime:resume:kills', { config: {} }), { onRecovered: () => { raw.recovered++ } })
  channel.on('broadcast', (message) => raw.got.push(message))
  await new Promise((resolve, reject) => { channel.join().receive('ok', resolve).receive('error', reject) })

  let sent = 0
  let writing = true
  const writer = (async () => {
    while (writing) {
      sent++
      await send('resume:kills', sent)
      await send(secret, sent, true)
    }
  })()
  for (let kill = 1; kill <= kills; kill++) {
    // everybody is there, so that everybody is thrown out
    await waitFor(() => raw.recovered >= kill - 1 &&
      members.every(({ open, closed }) => open.told.recovered >= kill - 1 && closed.told.recovered >= kill - 1), 'all to be back')
    await killGateways(db)
    const before = sent
    await waitFor(() => sent > before + 20, 'some messages')
  }
  writing = false
  await writer
  await waitFor(() => raw.got.length >= sent, 'phoenix to have all')
  assert.deepEqual(numbers(raw.got), upTo(sent), 'phoenix: once and in order')
  for (const { name, client, open, closed } of members) {
    await open.until(sent)
    await closed.until(sent)
    assert.deepEqual(numbers(open.told.got), upTo(sent), `${name}, public: once and in order`)
    assert.deepEqual(numbers(closed.told.got), upTo(sent), `${name}, private: once and in order`)
    assert.ok(open.told.recovered >= kills, `${name} resumed ${open.told.recovered} times`)
    assert.deepEqual([...open.told.lost, ...closed.told.lost], [], `${name} lost nothing`)
    await disconnect(client)
  }
  phoenix.disconnect()
})

for (const dialect of dialects) {
  describe(dialect.name, { timeout: patience * 6 }, () => {
    const topic = `resume:${dialect.name}`

    test('a page that is loaded again', async () => {
      let client = dialect.connect()
      const first = await resuming(client, topic)
      await send(topic, 1)
      await first.until(1)
      assert.equal(first.told.cursor, first.told.got[0].meta.cursor, 'the cursor is that of the newest message')
      await disconnect(client)
      await send(topic, 2)
      client = dialect.connect()
      const second = await resuming(client, topic, { cursor: first.told.cursor })
      assert.equal(second.told.recovered, 1)
      await send(topic, 3)
      await second.until(2)
      assert.deepEqual(numbers(second.told.got), [2, 3])
      await disconnect(client)
    })

    test('one that has heard nothing yet', async () => {
      const client = dialect.connect()
      const first = await resuming(client, topic)
      const { cursor } = first.told
      assert.ok(cursor, 'the answer to the join tells where it is')
      await disconnect(client)
      await send(topic, 4)
      const again = dialect.connect()
      const second = await resuming(again, topic, { cursor })
      await second.until(1)
      assert.deepEqual(numbers(second.told.got), [4])
      await disconnect(again)
    })

    test('a cursor that is none', async () => {
      const client = dialect.connect()
      const room = await resuming(client, topic, { cursor: 'from some other server' })
      assert.deepEqual(room.told.lost, ['epoch'])
      await send(topic, 5)
      await room.until(1)
      assert.deepEqual(numbers(room.told.got), [5], 'it goes on with what is new')
      assert.equal(room.told.cursor, room.told.got[0].meta.cursor, 'from which it can resume')
      await disconnect(client)
    })

    test('what comes before the join is answered comes once', async () => {
      const client = dialect.connect()
      const room = await resuming(client, topic)
      await send(topic, 6)
      await room.until(1)

      // It joins again while the server still has it, as after a join that was
      // answered too late.  What was committed before that is on our socket by
      // then, and is read after it.
      await db.query("SELECT realtime.send(jsonb_build_object('n', n), 'e', $1, false) FROM generate_series(7, 30) n", [topic])
      for (const arrived = Date.now() + 100; Date.now() < arrived;);
      room.channel.state = 'joining'
      room.channel.joinPush.resend(patience)
      await room.until(25)
      await waitFor(() => room.channel.state === 'joined', 'the channel to be joined')
      await send(topic, 31)
      await room.until(26)
      assert.deepEqual(numbers(room.told.got), upTo(31).slice(5))
      await disconnect(client)
    })

    test('a subscribed channel is refused', async () => {
      const client = dialect.connect()
      const channel = client.channel(topic)
      await subscribe(channel)
      assert.throws(() => resumable(channel), /not been subscribed/)
      await disconnect(client)
    })
  })
}
