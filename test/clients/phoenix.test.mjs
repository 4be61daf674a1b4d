// The npm package phoenix, unmodified, with its own channels and its own
// Presence: joins, refusals, pushes and their answers, broadcasts of clients and
// of the database, who is online, and coming back.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { Presence } from 'phoenix'
import { database, dialects, disconnect, listener, patience, phoenixSocket, userToken, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

// The answer to a push, as [status, response].
const answer = (push) => new Promise((resolve) => {
  for (const status of ['ok', 'error', 'timeout']) push.receive(status, (response) => resolve([status, response]))
})

// A joined channel that gathers its broadcasts.
async function joined (socket, topic, config = {}, params = {}) {
  const channel = socket.channel(`realtime:${topic}`, { config, ...params })
  const got = []
  channel.on('broadcast', (message) => got.push(message))
  const [status, response] = await answer(channel.join())
  assert.equal(status, 'ok', JSON.stringify(response))
  return { channel, got, until: (count) => waitFor(() => got.length >= count, `${count} messages`) }
}

const say = (channel, n) => channel.push('broadcast', { type: 'broadcast', event: 'e', payload: { n } })

describe('phoenix', { timeout: patience * 6 }, () => {
  let socket, other
  before(() => { socket = phoenixSocket(); other = phoenixSocket() })
  after(() => { socket.disconnect(); other.disconnect() })

  test('joins, and leaves', async () => {
    const { channel } = await joined(socket, 'phoenix:join')
    let closed = false
    channel.onClose(() => { closed = true })
    assert.equal((await answer(channel.leave()))[0], 'ok')
    await waitFor(() => closed && channel.state === 'closed', 'the channel to be closed')
    await joined(socket, 'phoenix:join')
  })

  test('is told why a join is refused', async () => {
    const refusals = [
      ['room', {}, 'unmatched topic'],
      ['realtime:', {}, /^TopicNameRequired/],
      ['realtime:secret', { config: { private: true } }, /^Unauthorized: You do not have permissions/],
      ['realtime:secret', { config: { private: true }, access_token: 'x.y.z' }, /\S/]
    ]
    for (const [topic, params, reason] of refusals) {
      const channel = socket.channel(topic, params)
      const [status, response] = await answer(channel.join())
      assert.equal(status, 'error', topic)
      assert.match(response.reason, new RegExp(reason), topic)
      channel.leave()
    }
  })

  test('hears what the database sends', async () => {
    const { got, until } = await joined(socket, 'phoenix:rows')
    await db.query("SELECT realtime.send(jsonb_build_object('n', n), 'e', 'phoenix:rows', false) FROM generate_series(1, 100) n")
    await until(100)
    assert.deepEqual(got.map((m) => m.payload.n), Array.from({ length: 100 }, (_, n) => n + 1))
    for (const { event, meta } of got) {
      assert.equal(event, 'e')
      assert.match(meta.id, /^[0-9a-f-]{36}$/)
    }
  })

  test('talks to its like and to supabase-js', async () => {
    const everybody = []
    const clients = dialects.map((dialect) => dialect.connect())
    for (const client of clients) everybody.push(await listener(client, 'phoenix:talk'))
    const { channel, got } = await joined(socket, 'phoenix:talk', { broadcast: { ack: true } })
    const mine = await joined(other, 'phoenix:talk', { broadcast: { ack: true, self: true } })
    for (let n = 1; n <= 20; n++) assert.deepEqual(await answer(say(channel, n)), ['ok', {}])
    for (let n = 21; n <= 40; n++) say(mine.channel, n)
    for (const hearer of [...everybody, mine]) {
      await hearer.until(40)
      const numbers = hearer.got.map((m) => m.payload.n)
      assert.deepEqual(numbers.filter((n) => n <= 20), Array.from({ length: 20 }, (_, n) => n + 1))
      assert.deepEqual(numbers.filter((n) => n > 20), Array.from({ length: 20 }, (_, n) => n + 21))
    }
    await waitFor(() => got.length === 20, 'what the other said')
    for (const { channel: theirs } of everybody) theirs.send({ type: 'broadcast', event: 'e', payload: { n: 41 } })
    await mine.until(40 + everybody.length)
    assert.deepEqual(mine.got.slice(40).map((m) => m.payload.n), everybody.map(() => 41))
    for (const client of clients) await disconnect(client)
  })

  test('is refused what the policies refuse', async () => {
    const [member, guest, id] = [randomUUID(), randomUUID(), randomUUID()]
    await db.query('INSERT INTO room_members VALUES ($1, $2)', [member, id])
    const { channel } = await joined(socket, `room:${id}`, { private: true, broadcast: { ack: true } }, { access_token: userToken(member) })
    assert.deepEqual(await answer(say(channel, 1)), ['ok', {}])
    const refused = other.channel(`realtime:room:${id}`, { config: { private: true }, access_token: userToken(guest) })
    assert.equal((await answer(refused.join()))[0], 'error')
    refused.leave()

    // with a token of somebody who may not be here the channel is closed
    let closed = false
    channel.onClose(() => { closed = true })
    channel.push('access_token', { access_token: userToken(guest) })
    await waitFor(() => closed, 'the channel to be closed')
  })

  test('its Presence knows who is online', async () => {
    const topic = 'phoenix:online'
    const view = (from, key) => {
      const channel = from.channel(`realtime:${topic}`, { config: { presence: { key, enabled: true } } })
      const presence = new Presence(channel)
      const seen = { joins: [], leaves: [] }
      presence.onJoin((who) => seen.joins.push(who))
      presence.onLeave((who) => seen.leaves.push(who))
      const known = () => Object.fromEntries(presence.list((who, { metas }) => [who, metas.map((meta) => meta.n)]))
      return { channel, seen, known, until: (state) => waitFor(() => JSON.stringify(known()) === JSON.stringify(state), `${JSON.stringify(state)}, not ${JSON.stringify(known())}`) }
    }
    const track = (channel, n) => answer(channel.push('presence', { type: 'presence', event: 'track', payload: { n } }))
    const a = view(socket, 'a')
    const b = view(other, 'b')
    assert.equal((await answer(a.channel.join()))[0], 'ok')
    assert.deepEqual(await track(a.channel, 1), ['ok', {}])
    await a.until({ a: [1] })
    assert.equal((await answer(b.channel.join()))[0], 'ok')
    await b.until({ a: [1] })
    await track(b.channel, 2)
    await a.until({ a: [1], b: [2] })
    await track(b.channel, 3)
    await a.until({ a: [1], b: [3] })
    await b.until({ a: [1], b: [3] })
    await answer(b.channel.push('presence', { type: 'presence', event: 'untrack' }))
    await a.until({ a: [1] })
    await b.until({ a: [1] })
    assert.deepEqual(await track(a.channel, 4), ['ok', {}])
    await b.until({ a: [4] })
    await answer(a.channel.leave())
    await b.until({})
    assert.deepEqual([a.seen.joins[0], b.seen.leaves.at(-1)], ['a', 'a'])
  })

  test('a track that is no object is refused', async () => {
    const { channel } = await joined(socket, 'phoenix:bad')
    for (const payload of [[], 'x', 7, null]) {
      assert.deepEqual(await answer(channel.push('presence', { type: 'presence', event: 'track', payload })),
        ['error', { reason: 'Presence track payload must be a map' }])
    }
    assert.deepEqual(await answer(channel.push('presence', { type: 'presence', event: 'track' })), ['ok', {}])
  })

  test('its connection is closed and it comes back', async () => {
    const back = phoenixSocket({ reconnectAfterMs: () => 50, rejoinAfterMs: () => 50, heartbeatIntervalMs: 100 })
    const { channel, got } = await joined(back, 'phoenix:back')
    for (let round = 1; round <= 3; round++) {
      back.conn.close()
      await waitFor(() => channel.state === 'errored', 'the channel to notice')
      await waitFor(() => channel.state === 'joined', 'it to come back')
      await db.query("SELECT realtime.send(jsonb_build_object('n', $1::int), 'e', 'phoenix:back', false)", [round])
      await waitFor(() => got.at(-1)?.payload.n === round, 'it to hear')
    }
    assert.equal(got.length, 3)
    back.disconnect()
  })

  test('its heartbeat is answered', async () => {
    const beating = phoenixSocket({ heartbeatIntervalMs: 50 })
    const refs = new Set()
    beating.onMessage(({ topic, event, payload, ref }) => {
      if (topic === 'phoenix' && event === 'phx_reply' && payload.status === 'ok') refs.add(ref)
    })
    await waitFor(() => refs.size >= 5, 'five answers')
    beating.disconnect()
  })
})
