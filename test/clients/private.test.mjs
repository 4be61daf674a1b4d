// Private channels as a Supabase application sees them: the policies and the
// index of Supabase's guide, users who sign in, and what becomes of a channel
// when its user's token changes, expires or is gone.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  authServer, database, dialects, disconnect, listener, patience, subscribe, userToken, waitFor
} from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

const isPrivate = { config: { private: true } }
const denied = (topic) => `Unauthorized: You do not have permissions to read from this Channel topic: ${topic}`

// A room of its own for each test, with these members.
async function room (...members) {
  const id = randomUUID()
  for (const user of members) await db.query('INSERT INTO room_members VALUES ($1, $2)', [user, id])
  return { id, topic: `room:${id}`, add: (user) => db.query('INSERT INTO room_members VALUES ($1, $2)', [user, id]) }
}

const send = (topic, n, toPrivate = true) =>
  db.query('SELECT realtime.send(jsonb_build_object(\'n\', $1::int), \'e\', $2, $3)', [n, topic, toPrivate])

const numbers = (got) => got.map((message) => message.payload.n)
const upTo = (count) => Array.from({ length: count }, (_, n) => n + 1)

// Follow what the application is told of a channel.
function follow (channel) {
  const told = []
  channel.subscribe((status, error) => told.push({ status, message: error?.message }))
  return { told, statuses: () => told.map(({ status }) => status), until: (status) => waitFor(() => told.some((t) => t.status === status), status) }
}

function privateChannels (dialect) {
  describe(dialect.name, { concurrency: false, timeout: patience * 6 }, () => {
    const alice = randomUUID()
    const bob = randomUUID()
    let client

    // A client whose user has signed in.
    async function signIn (user, realtime = {}) {
      const client = dialect.connect(realtime, authServer(user))
      const { error } = await client.auth.signInWithPassword({ email: 'user@example.com', password: 'secret' })
      assert.equal(error, null)
      await client.realtime.setAuth()
      return client
    }

    before(async () => { client = await signIn(alice) })
    after(() => disconnect(client))

    test('a member hears what is private', async () => {
      const { topic } = await room(alice)
      const { got, until } = await listener(client, topic, '*', { private: true })
      await send(topic, 1)
      await send(topic, 2, false)
      await send(topic, 3)
      await until(2)
      assert.deepEqual(numbers(got), [1, 3])
      const { rows } = await db.query('SELECT id FROM realtime.messages WHERE topic = $1 ORDER BY inserted_at LIMIT 1', [topic])
      assert.equal(got[0].meta.id, rows[0].id)
    })

    test('a member hears what broadcast_changes sends', async () => {
      const { id, topic } = await room(alice)
      const { got, until } = await listener(client, topic, 'INSERT', { private: true })
      await db.query('INSERT INTO room_messages (room_id, body) VALUES ($1, \'hello\')', [id])
      await until(1)
      assert.equal(got[0].payload.operation, 'INSERT')
      assert.equal(got[0].payload.record.body, 'hello')
      assert.equal(got[0].payload.schema, 'public')
    })

    test('somebody else is refused, with the reason', async () => {
      const { topic } = await room(bob)
      const channel = client.channel(topic, isPrivate)
      const [status, error] = await subscribe(channel, ['CHANNEL_ERROR', 'SUBSCRIBED'])
      assert.equal(status, 'CHANNEL_ERROR')
      assert.match(error.message, new RegExp(denied(topic)))
      await client.removeChannel(channel)
    })

    test('and comes in by itself when he has become a member', async () => {
      const { topic, add } = await room()
      const channel = client.channel(topic, isPrivate)
      const got = []
      channel.on('broadcast', { event: '*' }, (message) => got.push(message))
      const { statuses, until } = follow(channel)
      await until('CHANNEL_ERROR')
      await add(alice)
      await until('SUBSCRIBED')
      assert.equal(statuses().at(-1), 'SUBSCRIBED')
      await send(topic, 1)
      await waitFor(() => got.length === 1, 'the message')
    })

    test('the private and the public room of one name do not mix', async () => {
      const { topic } = await room(alice)
      const stranger = dialect.connect()
      const inside = await listener(client, topic, '*', { private: true })
      const outside = await listener(stranger, topic)
      for (const n of upTo(10)) await send(topic, n, n % 2 === 0)
      await Promise.all([inside.until(5), outside.until(5)])
      assert.deepEqual(numbers(inside.got), [2, 4, 6, 8, 10])
      assert.deepEqual(numbers(outside.got), [1, 3, 5, 7, 9])
      await disconnect(stranger)
    })

    test('setAuth with a token', async () => {
      const { topic } = await room(bob)
      const other = dialect.connect()
      await other.realtime.setAuth(userToken(bob))
      const { got, until } = await listener(other, topic, '*', { private: true })
      await send(topic, 1)
      await until(1)
      assert.deepEqual(numbers(got), [1])
      await disconnect(other)
    })

    // The token comes later than the connection: the first join goes out
    // without it and is refused, the client joins again by itself.
    test('a token that is late', async () => {
      const { topic } = await room(bob)
      const late = dialect.connect({}, { accessToken: async () => { await sleep(300); return userToken(bob) } })
      const channel = late.channel(topic, isPrivate)
      const got = []
      channel.on('broadcast', { event: '*' }, (message) => got.push(message))
      const { told, statuses, until } = follow(channel)
      await until('SUBSCRIBED')
      assert.deepEqual(statuses(), ['CHANNEL_ERROR', 'SUBSCRIBED'])
      assert.match(told[0].message, new RegExp(denied(topic)))
      await send(topic, 1)
      await waitFor(() => got.length === 1, 'the message')
      await disconnect(late)
    })

    test('tokens that change while messages flow', async () => {
      const { topic } = await room(alice)
      const { channel, got, until } = await listener(client, topic, '*', { private: true })
      const beside = await listener(client, `${topic}:public`)
      let told = 0
      let writing = true

      async function write () {
        for (const n of upTo(500)) {
          await send(topic, n)
          await send(`${topic}:public`, n, false)
        }
        writing = false
      }
      async function refresh () {
        for (; writing; told++) {
          const { error } = await client.auth.refreshSession()
          assert.equal(error, null)
          await client.realtime.setAuth()
          await sleep(5)
        }
      }
      await Promise.all([write(), refresh()])
      await Promise.all([until(500), beside.until(500)])
      assert.ok(told >= 10, `${told} tokens`)
      assert.deepEqual(numbers(got), upTo(500), 'nothing is lost, doubled or overtaken')
      assert.deepEqual(numbers(beside.got), upTo(500), 'nor in a public room')
      assert.equal(channel.state, 'joined')
    })

    test('a token that expires closes its channels', async () => {
      const { topic } = await room(bob)
      const other = dialect.connect()
      const exp = Math.floor(Date.now() / 1000) + 3
      await other.realtime.setAuth(userToken(bob, { exp }))
      const channel = other.channel(topic, isPrivate)
      const system = []
      channel.on('system', {}, (message) => system.push(message))
      const { statuses, until } = follow(channel)
      await until('SUBSCRIBED')
      await until('CLOSED')
      const late = Date.now() / 1000 - exp
      assert.ok(late > -0.1 && late < 1.5, `${late} s late`)
      assert.deepEqual(statuses(), ['SUBSCRIBED', 'CLOSED'])
      assert.match(system[0].message, /^Token has expired [01] seconds ago$/)
      await disconnect(other)
    })

    test('a token that is replaced in time does not', async () => {
      const { topic } = await room(bob)
      const other = dialect.connect()
      const exp = Math.floor(Date.now() / 1000) + 2
      await other.realtime.setAuth(userToken(bob, { exp }))
      const { channel, got, until } = await listener(other, topic, '*', { private: true })
      await other.realtime.setAuth(userToken(bob))
      await waitFor(() => Date.now() / 1000 > exp + 1.5, 'the first token to expire')
      await send(topic, 1)
      await until(1)
      assert.deepEqual(numbers(got), [1])
      assert.equal(channel.state, 'joined')
      await disconnect(other)
    })

    test('who has been put out loses the channel with the next token', async () => {
      const { id, topic } = await room(bob)
      const other = await signIn(bob)
      const channel = other.channel(topic, isPrivate)
      const got = []
      channel.on('broadcast', { event: '*' }, (message) => got.push(message))
      const { until } = follow(channel)
      await until('SUBSCRIBED')
      await db.query('DELETE FROM room_members WHERE room_id = $1', [id])
      await send(topic, 1)
      await waitFor(() => got.length === 1, 'what the last decision allows')
      await other.auth.refreshSession()
      await until('CLOSED')
      await send(topic, 2)
      await (await listener(other, `${topic}:after`)).channel.unsubscribe()
      assert.deepEqual(numbers(got), [1])
      await disconnect(other)
    })

    test('signing out falls back to the anonymous key', async () => {
      const { topic } = await room(bob)
      const other = await signIn(bob)
      const channel = other.channel(topic, isPrivate)
      const { until } = follow(channel)
      await until('SUBSCRIBED')
      const open = await listener(other, `${topic}:public`)
      const { error } = await other.auth.signOut()
      assert.equal(error, null)
      await until('CLOSED')
      await send(`${topic}:public`, 1, false)
      await open.until(1)
      assert.equal(open.channel.state, 'joined', 'a public channel stays')
      await disconnect(other)
    })
  })
}

// Much of this is waiting: for a rejoin, for a token to expire.
describe('private channels', { concurrency: true }, () => dialects.forEach(privateChannels))
