// socket.io-client, unmodified, as it is without options: it polls first and then
// goes over to a WebSocket; and with polling alone.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { io } from 'socket.io-client'
import { database, patience, url, userToken, waitFor } from './support.mjs'

let db
before(async () => {
  db = await database()
  await db.query("INSERT INTO realtime.channels (pattern) VALUES ('poll:%') ON CONFLICT DO NOTHING")
  await db.query("DROP POLICY IF EXISTS poll_publish ON realtime.messages")
  await db.query("CREATE POLICY poll_publish ON realtime.messages FOR INSERT TO authenticated WITH CHECK (channel_name LIKE 'poll:%')")
})
after(async () => { await db.end() })

const sockets = []
after(() => { for (const socket of sockets) socket.disconnect() })

// A client that is connected, with all that it heard, and how it came to an end.
async function connect (options = {}) {
  const socket = io(url, { auth: { token: userToken(randomUUID()) }, forceNew: true, reconnection: false, ...options })
  const client = { socket, heard: [], ends: [], ask: (event, argument) => socket.timeout(patience).emitWithAck(event, argument) }
  sockets.push(socket)
  socket.onAny((event, argument) => client.heard.push([event, argument]))
  socket.on('disconnect', (reason) => client.ends.push(reason))
  await new Promise((resolve, reject) => { socket.once('connect', resolve); socket.once('connect_error', reject) })
  return client
}

const transport = ({ socket }) => socket.io.engine.transport.name
const numbers = ({ heard }) => heard.filter(([event]) => event === 'n').map(([, { n }]) => n)
const upTo = (last, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i)
const publish = (channel, n) => db.query("SELECT realtime.publish($1, 'n', jsonb_build_object('n', $2::int))", [channel, n])

for (const [name, options, ends] of [
  ['without options', {}, 'websocket'],
  ['polling alone', { transports: ['polling'] }, 'polling'],
  ['polling alone, on connections that are kept', { transports: ['polling'], agent: true }, 'polling']
]) {
  test(name, { timeout: patience * 3 }, async () => {
    const channel = `poll:${randomUUID()}`
    if (options.agent) {
      const { Agent } = await import(url.startsWith('https') ? 'node:https' : 'node:http')
      options.agent = new Agent({ keepAlive: true })
    }
    const [one, two] = await Promise.all([connect(options), connect(options)])
    for (const client of [one, two]) {
      assert.equal((await client.ask('realtime:subscribe', { channel })).ok, true)
    }
    await waitFor(() => transport(one) === ends && transport(two) === ends, `${ends}`)
    for (let n = 1; n <= 50; n++) await publish(channel, n)
    await waitFor(() => numbers(one).length === 50 && numbers(two).length === 50, 'all messages')
    assert.deepEqual(numbers(one), upTo(50))
    assert.deepEqual(numbers(two), upTo(50))

    for (let i = 0; i < 20; i++) one.socket.emit('realtime:publish', { channel, event: 'said', payload: { i, text: 'é☃' } })
    const said = ({ heard }) => heard.filter(([event]) => event === 'said')
    await waitFor(() => said(two).length === 20 && said(one).length === 20, 'what a client says')
    assert.deepEqual(said(two).map(([, { i, text }]) => `${i}${text}`), Array.from({ length: 20 }, (_, i) => `${i}é☃`))

    // more than one answer holds
    await db.query("SELECT realtime.publish($1, 'large', jsonb_build_object('i', i, 'x', repeat('x', 10000))) FROM generate_series(1, 300) i", [channel])
    const large = ({ heard }) => heard.filter(([event]) => event === 'large').map(([, { i }]) => i)
    await waitFor(() => large(one).length === 300 && large(two).length === 300, 'much at once')
    assert.deepEqual(large(one), upTo(300))

    // bytes, both ways
    one.socket.emit('realtime:publish', { channel, event: 'bytes', payload: { b: Buffer.from([0, 30, 255]) } })
    await waitFor(() => two.heard.some(([event]) => event === 'bytes'), 'bytes of a client')
    assert.deepEqual(two.heard.find(([event]) => event === 'bytes')[1].b, { type: 'Buffer', data: [0, 30, 255] })
    await db.query("SELECT realtime.send_binary('\\x001eff'::bytea, 'raw', $1, true)", [channel])
    await waitFor(() => two.heard.some(([event]) => event === 'raw'), 'bytes of the database')
    assert.deepEqual([...new Uint8Array(two.heard.find(([event]) => event === 'raw')[1].payload)], [0, 30, 255])

    // one leaves, the other one hears of it
    one.socket.disconnect()
    await waitFor(() => two.heard.some(([event]) => event === 'presence:leave'), 'the other one to leave')
    two.socket.disconnect()
  })
}

test('a token that is not good', { timeout: patience }, async () => {
  await assert.rejects(connect({ auth: { token: 'nonsense' } }), { message: 'Invalid token' })
})

describe('going over to a WebSocket while messages come', { timeout: patience * 6 }, () => {
  const total = 1000
  const clients = Number(process.env.POLLING_CLIENTS ?? 50)

  // Publish until all have been sent.
  async function send (channel) {
    for (let n = 1; n <= total; n++) await publish(channel, n)
  }

  test('nothing is lost, doubled or out of order', async () => {
    const channel = `poll:${randomUUID()}`
    const all = await Promise.all(Array.from({ length: clients }, () => connect({ upgrade: false })))
    for (const { ok } of await Promise.all(all.map((client) => client.ask('realtime:subscribe', { channel })))) assert.ok(ok)
    assert.ok(all.every((client) => transport(client) === 'polling'))
    const sending = send(channel)
    for (const client of all) {
      const heard = numbers(client).length
      await sleep(20)
      client.began = heard
      client.socket.io.engine._probe('websocket')
    }
    await sending
    await waitFor(() => all.every((client) => numbers(client).length >= total), 'all messages', patience * 3)
    for (const client of all) {
      assert.deepEqual(client.ends, [])
      assert.deepEqual(numbers(client), upTo(total))
      assert.equal(transport(client), 'websocket')
    }
    assert.ok(all.some(({ began }) => began > 0 && began < total), 'messages came meanwhile')
    for (const { socket } of all) socket.disconnect()
  })

  test('from the first subscription on', async () => {
    const channel = `poll:${randomUUID()}`
    const sending = send(channel)
    const all = await Promise.all(Array.from({ length: clients }, async (_, i) => {
      await sleep(i * 10)
      const client = await connect()
      assert.equal((await client.ask('realtime:subscribe', { channel })).ok, true)
      return client
    }))
    await sending
    await publish(channel, total + 1)
    await waitFor(() => all.every((client) => numbers(client).at(-1) === total + 1), 'the last message', patience * 3)
    for (const client of all) {
      assert.deepEqual(client.ends, [])
      assert.deepEqual(numbers(client), upTo(total + 1, numbers(client)[0]))
      await waitFor(() => transport(client) === 'websocket', 'the WebSocket')
    }
    for (const { socket } of all) socket.disconnect()
  })
})
