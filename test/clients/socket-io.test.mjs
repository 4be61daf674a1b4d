// socket.io-client, unmodified: what its API shows of a server, beyond what the
// SDK of InsForge makes use of.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { io } from 'socket.io-client'
import { anonKey, database, gatewayPids, patience, url, userToken, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

const room = () => `chat:${randomUUID()}`

// A connected client, and what it heard: [event, argument].
const sockets = []
async function connect (auth = { token: anonKey }, options = {}) {
  const socket = io(url, { transports: ['websocket'], auth, forceNew: true, ...options })
  const heard = []
  sockets.push(socket)
  socket.onAny((...event) => heard.push(event))
  await new Promise((resolve, reject) => { socket.once('connect', resolve); socket.once('connect_error', reject) })
  const ask = (event, argument) => socket.timeout(patience).emitWithAck(event, argument)
  return { socket, heard, ask, of: (name) => heard.filter(([event]) => event === name).map(([, argument]) => argument) }
}
after(() => { for (const socket of sockets) socket.disconnect() })
const user = (id = randomUUID()) => connect({ token: userToken(id) })

describe('connecting', { timeout: patience }, () => {
  test('without credentials', async () => {
    await assert.rejects(connect({}), { message: 'No authentication provided' })
    await assert.rejects(connect({ apiKey: 'ik_nobody' }), { message: 'Invalid API key' })
    await assert.rejects(connect({ apiKey: `ik_${'0'.repeat(64)}`, token: anonKey }), { message: 'Invalid API key' })
  })

  test('with an API key one is an administrator', async () => {
    const { rows: [{ key }] } = await db.query('SELECT realtime.create_api_key($1) AS key', ['socket.io'])
    const admin = await connect({ apiKey: key })
    const channel = room()
    const answer = await admin.ask('realtime:subscribe', { channel })
    assert.equal(answer.ok, true)
    assert.equal(answer.presence.members[0].type, 'anonymous')
    assert.equal((await admin.ask('realtime:publish', { channel, event: 'said', payload: {} })).ok, true)
    await waitFor(() => admin.of('said').length === 1, 'its message')
    assert.equal(admin.of('said')[0].meta.senderType, 'system')
  })

  test('leaving the namespace and coming back to it', async () => {
    const { socket, ask } = await connect()
    const before = socket.id
    socket.disconnect()
    socket.connect()
    await waitFor(() => socket.connected, 'the connection')
    assert.notEqual(socket.id, before)
    assert.equal((await ask('realtime:subscribe', { channel: room() })).ok, true)
  })
})

describe('answers', { timeout: patience * 2 }, () => {
  test('of every event', async () => {
    const { ask } = await user()
    const channel = room()
    const subscribed = await ask('realtime:subscribe', { channel })
    assert.equal(subscribed.ok, true)
    assert.equal(typeof subscribed.cursor, 'string')
    assert.deepEqual(Object.keys(await ask('realtime:publish', { channel, event: 'said', payload: { n: 1 } })), ['ok', 'messageId'])
    assert.deepEqual(await ask('realtime:unsubscribe', { channel }), { ok: true, channel })
    assert.deepEqual(await ask('realtime:unsubscribe', { channel }), { ok: true, channel })
    assert.equal((await ask('realtime:publish', { channel, event: 'said' })).error.code, 'REALTIME_NOT_SUBSCRIBED')
    assert.equal((await ask('REALTIME_SUBSCRIBE', { channel })).ok, true)
    assert.equal((await ask('REALTIME_PUBLISH', { channel, event: 'said' })).ok, true)
    assert.equal((await ask('REALTIME_UNSUBSCRIBE', { channel })).ok, true)
  })

  test('to what is not understood', async () => {
    const { ask, socket } = await user()
    const channel = room()
    await ask('realtime:subscribe', { channel })
    for (const [event, argument] of [
      ['realtime:subscribe', undefined], ['realtime:subscribe', 'chat:1'], ['realtime:subscribe', {}],
      ['realtime:subscribe', { channel: 7 }], ['realtime:subscribe', { channel: '' }],
      ['realtime:subscribe', { channel: 'x'.repeat(247) }], ['realtime:unsubscribe', null],
      ['realtime:publish', { channel }], ['realtime:publish', { channel, event: '' }],
      ['realtime:publish', { channel, event: 'e'.repeat(256) }], ['realtime:publish', { channel, event: 'e', type: 'letter' }],
      ['realtime:track', { channel }], ['realtime:track', { channel, payload: [] }]
    ]) {
      const answer = await ask(event, argument)
      assert.equal(answer.ok, false, `${event} ${JSON.stringify(argument)}`)
      assert.equal(answer.error.code, 'INVALID_INPUT')
    }
    for (const event of ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener', 'realtime:error', 'presence:leave', 'phx_close']) {
      assert.equal((await ask('realtime:publish', { channel, event, payload: {} })).error.code, 'REALTIME_INVALID_EVENT', event)
    }
    assert.equal(socket.connected, true)
  })

  test('the type of a message', async () => {
    const { ask, of } = await user()
    const channel = room()
    await ask('realtime:subscribe', { channel })
    await ask('realtime:publish', { channel, event: 'said', payload: { n: 1 }, type: 'message' })
    await ask('realtime:publish', { channel, event: 'said', payload: { n: 2 }, type: 'broadcast' })
    await waitFor(() => of('said').length >= 2, 'both')
    assert.deepEqual(of('said').map(({ meta }) => meta.type), [undefined, 'broadcast'])
  })

  test('a newer token of the same user', async () => {
    const id = randomUUID()
    const { ask } = await user(id)
    assert.deepEqual(await ask('realtime:auth', { token: userToken(id) }), { ok: true })
    assert.equal((await ask('realtime:auth', { token: userToken(randomUUID()) })).error.code, 'REALTIME_UNAUTHORIZED')
    assert.equal((await ask('realtime:auth', { token: anonKey })).error.code, 'REALTIME_UNAUTHORIZED')
    assert.equal((await ask('realtime:auth', { token: 'nonsense' })).error.code, 'REALTIME_UNAUTHORIZED')
    assert.equal((await ask('realtime:auth')).error.code, 'REALTIME_UNAUTHORIZED')
    assert.equal((await ask('realtime:subscribe', { channel: room() })).ok, true)
  })
})

describe('bytes', { timeout: patience }, () => {
  test('become what JSON makes of them', async () => {
    const { ask, of } = await user()
    const channel = room()
    await ask('realtime:subscribe', { channel })
    const answer = await ask('realtime:publish', { channel, event: 'file', payload: { name: 'a', parts: [Buffer.from([1, 2]), Buffer.from([255])] } })
    assert.equal(answer.ok, true)
    await waitFor(() => of('file').length >= 1, 'the message')
    const [{ name, parts }] = of('file')
    assert.equal(name, 'a')
    assert.deepEqual(parts.map((part) => [...Buffer.from(part)]), [[1, 2], [255]])
  })

  test('from the database come as bytes', async () => {
    const { ask, of } = await user()
    const channel = room()
    await ask('realtime:subscribe', { channel })
    await db.query('SELECT realtime.send_binary($1::bytea, $2, $3, true)', [Buffer.from([0, 1, 254]), 'bytes', channel])
    await waitFor(() => of('bytes').length >= 1, 'the message')
    assert.deepEqual([...of('bytes')[0].payload], [0, 1, 254])
    assert.equal(of('bytes')[0].meta.wrapped, true)
  })
})

describe('subscribing', { timeout: patience * 2 }, () => {
  test('again, and again before the answer', async () => {
    const { ask, socket, of } = await user()
    const other = await user()
    const channel = room()
    await other.ask('realtime:subscribe', { channel })
    const answers = await Promise.all([1, 2, 3].map(() => ask('realtime:subscribe', { channel })))
    for (const answer of [...answers, await ask('realtime:subscribe', { channel })]) {
      assert.equal(answer.ok, true)
      assert.equal(answer.presence.members.length, 2)
    }
    socket.emit('realtime:subscribe', { channel })
    await ask('realtime:publish', { channel, event: 'said' })
    await waitFor(() => of('said').length >= 1 && other.of('said').length >= 1, 'the message')
    assert.equal(of('said').length, 1, 'once')
    assert.equal(other.of('presence:join').length, 1, 'one member')
  })

  test('and unsubscribing quickly', async () => {
    const { ask, of } = await user()
    const channel = room()
    const order = []
    const note = (name) => (answer) => { order.push(name); return answer }
    const [one, two, three] = await Promise.all([
      ask('realtime:subscribe', { channel }).then(note(1)),
      ask('realtime:unsubscribe', { channel }).then(note(2)),
      ask('realtime:subscribe', { channel }).then(note(3))
    ])
    assert.ok(one.ok || one.error.code === 'SUBSCRIPTION_CANCELLED')
    assert.deepEqual(two, { ok: true, channel })
    assert.equal(three.ok, true)
    assert.deepEqual(order, [1, 2, 3])
    await ask('realtime:publish', { channel, event: 'said' })
    await waitFor(() => of('said').length >= 1, 'the message')
  })

  test('what was said is published, even if one leaves at once', async () => {
    const one = await user()
    const two = await user()
    const channel = room()
    await one.ask('realtime:subscribe', { channel })
    await two.ask('realtime:subscribe', { channel })
    for (let n = 0; n < 50; n++) one.socket.emit('realtime:publish', { channel, event: 'said', payload: { n } })
    one.socket.emit('realtime:unsubscribe', { channel })
    await waitFor(() => two.of('said').length >= 50, 'all of it')
    for (let n = 50; n < 100; n++) one.socket.emit('realtime:publish', { channel, event: 'said', payload: { n } })
    assert.deepEqual(two.of('said').map(({ n }) => n), Array.from({ length: 50 }, (_, n) => n))
  })
})

describe('order', { timeout: patience * 4 }, () => {
  test('of sixteen publishers', async () => {
    const channel = room()
    const listener = await user()
    await listener.ask('realtime:subscribe', { channel, presence: false })
    const publishers = await Promise.all(Array.from({ length: 16 }, () => user()))
    await Promise.all(publishers.map(({ ask }) => ask('realtime:subscribe', { channel, presence: false })))
    for (let n = 0; n < 200; n++) {
      for (const [from, { socket }] of publishers.entries()) socket.emit('realtime:publish', { channel, event: 'said', payload: { from, n } })
    }
    for (const { of } of [listener, ...publishers]) {
      await waitFor(() => of('said').length >= 3200, 'all messages', patience * 3)
      for (let from = 0; from < 16; from++) {
        assert.deepEqual(of('said').filter((m) => m.from === from).map((m) => m.n), Array.from({ length: 200 }, (_, n) => n))
      }
    }
    const whole = ({ of }) => of('said').map(({ meta }) => meta.messageId)
    for (const publisher of publishers) assert.deepEqual(whole(publisher), whole(listener), 'all hear one order')
  })
})

describe('presence', { timeout: patience * 2 }, () => {
  test('that is tracked', async () => {
    const channel = room()
    const [id, otherId] = [randomUUID(), randomUUID()]
    const one = await user(id)
    const other = await user(otherId)
    await other.ask('realtime:subscribe', { channel })
    assert.equal((await one.ask('realtime:track', { channel, payload: {} })).error.code, 'REALTIME_NOT_SUBSCRIBED')
    const answer = await one.ask('realtime:subscribe', { channel, presence: false })
    assert.deepEqual(answer.presence.members.map(({ presenceId }) => presenceId), [otherId], 'a snapshot without oneself')

    const { member, ok } = await one.ask('realtime:track', { channel, payload: { x: 1 } })
    assert.equal(ok, true)
    assert.equal(member.presenceId, id)
    assert.deepEqual(member.payload, { x: 1 })
    await waitFor(() => other.of('presence:join').length >= 1, 'the other one to be told')
    assert.deepEqual(other.of('presence:join')[0].member, member)

    await one.ask('realtime:track', { channel, payload: { x: 2 } })
    await waitFor(() => other.of('presence:update').length >= 1, 'the change')
    assert.deepEqual(other.of('presence:update')[0].member, { ...member, payload: { x: 2 } })

    assert.deepEqual(await one.ask('realtime:untrack', { channel }), { ok: true, channel })
    await waitFor(() => other.of('presence:leave').length >= 1, 'the end')
    assert.equal(other.of('presence:leave')[0].member.presenceId, id)

    // who subscribed as a member stays one
    await other.ask('realtime:track', { channel, payload: { y: 1 } })
    await waitFor(() => one.of('presence:update').length >= 1, 'what the other one tracks')
    assert.deepEqual(one.of('presence:update')[0].member.payload, { y: 1 })
    await other.ask('realtime:untrack', { channel })
    await waitFor(() => one.of('presence:update').length >= 2, 'that it tracks no more')
    assert.equal('payload' in one.of('presence:update')[1].member, false)
    assert.deepEqual([...one.of('presence:join'), ...one.of('presence:leave')], [], 'nobody is told of himself')
  })
})

describe('resume', { timeout: patience * 3 }, () => {
  test('what was missed comes once, after the answer and in order', async () => {
    const channel = room()
    const one = await user()
    const { cursor } = await one.ask('realtime:subscribe', { channel })
    const publish = (n) => db.query('SELECT realtime.publish($1, $2, $3::jsonb)', [channel, 'said', JSON.stringify({ n })])
    await publish(0)
    await waitFor(() => one.of('said').length >= 1, 'the first message')
    const [first] = one.of('said')
    assert.equal('replayed' in first.meta, false)
    one.socket.disconnect()
    for (let n = 1; n <= 50; n++) await publish(n)

    const two = await user()
    const order = []
    two.socket.onAny((event) => order.push(event))
    const answer = await two.ask('realtime:subscribe', { channel, resume: first.meta.cursor })
    assert.equal(answer.recovered, true, JSON.stringify(answer))
    await publish(51)
    await waitFor(() => two.of('said').length >= 51, 'all messages')
    assert.deepEqual(two.of('said').map(({ n }) => n), Array.from({ length: 51 }, (_, n) => n + 1))
    assert.equal(two.of('said')[0].meta.replayed, true)
    assert.equal('replayed' in two.of('said')[50].meta, false)

    const three = await user()
    const all = await three.ask('realtime:subscribe', { channel, resume: cursor })
    assert.equal(all.recovered, true, JSON.stringify(all))
    await waitFor(() => three.of('said').length >= 52, 'all from the first subscription on')
    const four = await user()
    const lost = await four.ask('realtime:subscribe', { channel, resume: 'no cursor' })
    assert.equal(lost.ok, true)
    assert.equal(lost.recovered, false)
    assert.equal(typeof lost.reason, 'string')
  })

  test('after the gateways are killed', async () => {
    const channel = room()
    const { socket, ask, of } = await user()
    let { cursor } = await ask('realtime:subscribe', { channel })
    const answers = []
    socket.on('said', ({ meta }) => { cursor = meta.cursor })
    socket.on('connect', async () => answers.push(await ask('realtime:subscribe', { channel, resume: cursor })))
    const killed = await gatewayPids(db)
    for (let n = 0; n < 200; n++) {
      if (n === 50) for (const pid of killed) process.kill(pid, 'SIGKILL')
      await db.query('SELECT realtime.publish($1, $2, $3::jsonb)', [channel, 'said', JSON.stringify({ n })])
    }
    await waitFor(() => of('said').length >= 200, 'all messages')
    assert.deepEqual(of('said').map(({ n }) => n), Array.from({ length: 200 }, (_, n) => n))
    assert.equal(answers[0].recovered, true)
  })
})
