// clients/js/realtime.js: the examples of its README as they are, chat and presence
// between two users, and a stream of messages whose gateways are killed, of which
// every one comes once and in order.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { after, afterEach, before, describe, test } from 'node:test'
import WebSocket from 'ws'
import { createClient } from '../../clients/js/realtime.js'
import { anonKey, database, gatewayPids, patience, url, userToken, waitFor } from './support.mjs'

const count = 2000
const kills = 4
let db
before(async () => {
  db = await database()
  await db.query(`
    INSERT INTO realtime.channels (pattern) VALUES ('chat:*'), ('user:*:notifications'), ('document:*'), ('stream:%') ON CONFLICT DO NOTHING;
    DROP POLICY IF EXISTS realtime_js ON realtime.messages;
    CREATE POLICY realtime_js ON realtime.messages FOR INSERT TO authenticated
      WITH CHECK (channel_name ~ '^(chat|user|document):')`)
})
after(async () => { await db.end() })

const clients = []
afterEach(() => { for (const client of clients.splice(0)) client.realtime.disconnect() })

// A client of a user, or of nobody, that comes back quickly.
async function connect (user, options = {}) {
  const client = createClient({ baseUrl: url, anonKey, WebSocket, reconnectDelay: () => 50, presenceInterval: 50, ...options })
  const errors = []
  client.realtime.on('error', (error) => errors.push(error))
  clients.push(client)
  await client.realtime.connect(user && { accessToken: userToken(user) })
  return Object.assign(client, { errors })
}

// A subscribed channel with what it heard.
async function listen (client, name, options) {
  const got = []
  const presence = []
  const channel = client.realtime.channel(name, options)
    .on('message', (payload, message) => got.push(message))
    .on('broadcast', (payload, message) => got.push(message))
    .on('presence', (event) => presence.push(event))
  assert.deepEqual(await channel.subscribe().ready, { error: null })
  return { channel, got, presence, until: (n) => waitFor(() => got.length >= n, `${n} messages`) }
}

const publish = async (channel, event, payload) =>
  (await db.query('SELECT realtime.publish($1, $2, $3::jsonb) AS id', [channel, event, JSON.stringify(payload)])).rows[0].id

test('the examples of the README', { timeout: patience * 2 }, async () => {
  const readme = readFileSync(new URL('../../clients/js/README.md', import.meta.url), 'utf8')
  const user = randomUUID()
  const said = []
  const cursors = {}
  const moves = []
  let scope = {
    createClient: (options) => {
      const client = createClient({ ...options, WebSocket, presenceInterval: 50 })
      clients.push(client)
      return client
    },
    console: { log: (...values) => said.push(values), error: (...values) => assert.fail(values.join(' ')) },
    fetchSession: async () => ({ token: userToken(user) }),
    userId: user,
    showNotification: (payload) => said.push(['notification', payload]),
    showMessage: (payload) => said.push(['shown', payload]),
    renderCursors: (users) => said.push(['cursors', users]),
    document: { addEventListener: (event, listener) => moves.push(listener) },
    localStorage: { getItem: (key) => cursors[key] ?? null, setItem: (key, value) => { cursors[key] = value } }
  }
  const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code)
  assert.ok(blocks.length >= 10)
  for (const block of blocks) {
    // the URL and the keys are ours; what a block declares is there for the next ones
    const code = block.replace(/^import .*\n/gm, '').replace('https://your-app.example.com', url)
      .replace('your-anon-key', anonKey).replace('your-access-token', userToken(user))
    const names = [...code.matchAll(/^const (?:\{ (\w+) \}|(\w+))/gm)].map(([, one, other]) => one ?? other)
    const AsyncFunction = (async () => {}).constructor
    const run = new AsyncFunction(...Object.keys(scope).filter((name) => !names.includes(name)), `${code}; return { ${names} }`)
    const values = Object.entries(scope).filter(([name]) => !names.includes(name)).map(([, value]) => value)
    scope = { ...scope, ...await run(...values) }
  }
  const heard = (name) => said.filter(([first]) => first === name)
  assert.deepEqual(said[0], ['Connected to real-time server'])
  assert.equal(scope.error, null)
  await waitFor(() => heard('notification').length === 1, 'the notification')
  assert.deepEqual(heard('notification')[0][1], { title: 'New message', body: 'You have a new message', type: 'info' })
  for (let n = 0; n < 100; n++) moves[0]({ clientX: n, clientY: 2 * n })
  await waitFor(() => heard('cursors').at(-1)?.[1][user]?.[0].cursor.x === 99, 'the cursor')

  await scope.client.realtime.channel('chat:room1').send({ type: 'message', event: 'message.new', payload: { text: 'again' } })
  await waitFor(() => heard('shown').length === 1, 'the message')
  assert.ok(cursors['chat:room1'])
})

describe('two users', { timeout: patience * 3 }, () => {
  test('chat', async () => {
    const [alice, bob] = [randomUUID(), randomUUID()]
    const room = `chat:${randomUUID()}`
    const [one, two] = [await connect(alice), await connect(bob)]
    const [ours, theirs] = [await listen(one, room), await listen(two, room)]
    const send = (client, type, event, payload) => client.realtime.channel(room).send({ type, event, payload })
    assert.deepEqual(await send(one, 'message', 'message.new', { text: 'hello' }), { error: null })
    assert.deepEqual(await send(two, 'broadcast', 'typing', { meta: 'gone', list: [1, 2] }), { error: null })
    assert.deepEqual(await send(two, undefined, 'list', [1, { a: 'ä\u0000'.slice(0, 1) }]), { error: null })
    await publish(room, 'from.database', { n: 1 })
    await Promise.all([ours.until(4), theirs.until(4)])
    const shown = ({ got }) => got.map(({ type, event, payload, senderId }) => [type, event, payload, senderId])
    assert.deepEqual(shown(ours), [
      ['message', 'message.new', { text: 'hello' }, alice],
      ['broadcast', 'typing', { list: [1, 2] }, bob],
      ['message', 'list', [1, { a: 'ä' }], bob],
      ['message', 'from.database', { n: 1 }, undefined]
    ])
    assert.deepEqual(shown(theirs), shown(ours), 'in the same order')
    for (const { channel, timestamp, id, cursor } of ours.got) {
      assert.equal(channel, room)
      assert.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/)
      assert.match(id, /^[0-9a-f-]{36}$/)
      assert.ok(cursor)
    }
    ours.channel.unsubscribe()
    await publish(room, 'later', {})
    await theirs.until(5)
    assert.equal(ours.got.length, 4)
    assert.deepEqual([...one.errors, ...two.errors], [])
  })

  test('what is refused', async () => {
    const stranger = createClient({ baseUrl: url, anonKey: 'not a token', WebSocket })
    await assert.rejects(stranger.realtime.connect(), { name: 'RealtimeError', code: 'AUTH_INVALID_CREDENTIALS' })
    const nobody = createClient({ baseUrl: url, WebSocket })
    await assert.rejects(nobody.realtime.connect(), { name: 'RealtimeError' })

    const client = await connect(randomUUID())
    const { error } = await client.realtime.channel(`nowhere:${randomUUID()}`).subscribe().ready
    assert.equal(error.code, 'REALTIME_UNAUTHORIZED')
    assert.equal(client.errors[0].code, 'REALTIME_UNAUTHORIZED')
    const silent = client.realtime.channel('stream:silent')
    assert.equal((await silent.send({ type: 'message', event: 'e', payload: {} })).error.code, 'REALTIME_UNAUTHORIZED')
    assert.equal((await silent.send({ type: 'message', event: 'disconnect', payload: {} })).error.code, 'REALTIME_INVALID_EVENT')
    assert.equal(client.errors.length, 1, 'what is answered is no event besides')
  })

  test('presence', async () => {
    const [alice, bob] = [randomUUID(), randomUUID()]
    const room = `chat:${randomUUID()}`
    const [one, two] = [await connect(alice), await connect(bob)]
    const [ours, theirs] = [await listen(one, room), await listen(two, room)]
    const shown = ({ presence }) => presence.filter(({ type }) => type !== 'sync').map(({ type, key, presence }) => [type, key, presence])
    assert.deepEqual(ours.channel.presenceState(), {}, 'who only listens is not shown')
    assert.deepEqual(await ours.channel.track({ name: 'Alice' }), { error: null })
    await waitFor(() => theirs.channel.presenceState()[alice], 'Alice to be seen')
    assert.deepEqual(await theirs.channel.track({ name: 'Bob' }), { error: null })
    await waitFor(() => ours.channel.presenceState()[bob], 'Bob to be seen')
    assert.deepEqual(await theirs.channel.track({ name: 'Bob', away: true }), { error: null })
    await waitFor(() => ours.channel.presenceState()[bob][0].away, 'what Bob says')
    for (const { channel } of [ours, theirs]) {
      assert.deepEqual(channel.presenceState(), { [alice]: [{ name: 'Alice' }], [bob]: [{ name: 'Bob', away: true }] })
    }
    const third = await connect(randomUUID())
    const late = await listen(third, room)
    assert.deepEqual(late.channel.presenceState(), ours.channel.presenceState(), 'who comes later sees them')
    assert.deepEqual(await ours.channel.untrack(), { error: null })
    two.realtime.disconnect()
    for (const { channel } of [ours, late]) await waitFor(() => Object.keys(channel.presenceState()).length === 0, 'both to be gone')
    assert.deepEqual(shown(ours), [['join', alice, { name: 'Alice' }], ['join', bob, { name: 'Bob' }],
      ['update', bob, { name: 'Bob', away: true }], ['leave', alice, { name: 'Alice' }], ['leave', bob, { name: 'Bob', away: true }]])
  })
})

describe('without a gap', { timeout: patience * 6 }, () => {
  test('gateways are killed in a stream of messages', async () => {
    const stream = `stream:${randomUUID()}`
    const room = `chat:${randomUUID()}`
    const listeners = []
    for (let n = 0; n < 3; n++) {
      const client = await connect(randomUUID())
      let connects = 1
      client.realtime.on('connect', () => { connects++ })
      listeners.push({ client, connects: () => connects, ...await listen(client, stream) })
    }
    // somebody publishes meanwhile, and is told what became of it
    const talker = await connect(randomUUID())
    const talked = await listen(talker, room)
    const sent = []
    let talking = true
    const talk = (async () => {
      for (let n = 1; talking; n++) {
        const { error } = await talker.realtime.channel(room).send({ type: 'message', event: 'e', payload: { n } })
        sent.push([n, error?.code])
        if (error) await new Promise((resolve) => setTimeout(resolve, 5))
      }
    })()

    for (let n = 1, killed = 0; n <= count; n++) {
      await publish(stream, 'e', { n })
      if (n % (count / (kills + 1)) === 0 && killed < kills) {
        killed++
        await waitFor(() => listeners.every(({ connects }) => connects() >= killed), 'all to be back')
        for (const pid of await gatewayPids(db)) process.kill(pid, 'SIGKILL')
      }
    }
    talking = false
    await talk
    for (const { client, got, until } of listeners) {
      await until(count)
      assert.deepEqual(got.map(({ payload }) => payload.n), Array.from({ length: count }, (_, n) => n + 1), 'once and in order')
      assert.deepEqual(client.errors, [], 'and nothing was lost')
      assert.ok(got.some(({ replayed }) => replayed), 'some of it was missed at first')
    }

    // what is acknowledged comes, in the order in which it was sent; what is not may
    const accepted = sent.filter(([, code]) => code === undefined).map(([n]) => n)
    const refused = new Set(sent.filter(([, code]) => code !== undefined).map(([n]) => n))
    await waitFor(() => talked.got.at(-1)?.payload.n >= accepted.at(-1), 'what was published last')
    const heard = talked.got.map(({ payload }) => payload.n)
    assert.deepEqual(heard.filter((n) => !refused.has(n)), accepted)
    assert.deepEqual(heard, [...new Set(heard)].sort((a, b) => a - b))
    assert.ok(sent.every(([, code]) => [undefined, 'DISCONNECTED'].includes(code)), 'it was told that there is no connection')
  })

  test('a page that is loaded again', async () => {
    const room = `chat:${randomUUID()}`
    let client = await connect(randomUUID())
    const first = await listen(client, room)
    await publish(room, 'e', { n: 1 })
    await first.until(1)
    client.realtime.disconnect()
    await publish(room, 'e', { n: 2 })
    client = await connect(randomUUID())
    const second = await listen(client, room, { cursor: first.got[0].cursor })
    await publish(room, 'e', { n: 3 })
    await second.until(2)
    assert.deepEqual(second.got.map(({ payload, replayed }) => [payload.n, replayed]), [[2, true], [3, false]])
    assert.deepEqual(client.errors, [])
  })

  test('a history that is another one', async () => {
    const room = `chat:${randomUUID()}`
    const client = await connect(randomUUID())
    const lost = await listen(client, room, { cursor: 'from some other server' })
    assert.deepEqual(client.errors.map(({ code, channel, reason }) => [code, channel, reason]), [['HISTORY_LOST', room, 'epoch']])
    await publish(room, 'e', { n: 1 })
    await lost.until(1)
  })

  test('another token of the same user', async () => {
    const user = randomUUID()
    const client = await connect(user)
    assert.deepEqual(await client.realtime.setAccessToken(userToken(user)), { error: null })
    assert.ok((await client.realtime.setAccessToken('not a token')).error)
  })
})
