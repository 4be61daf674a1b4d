// Server-sent events with the unmodified client `eventsource`, which is what
// browsers have built in: messages, rights, and coming back by itself.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { EventSource } from 'eventsource'
import { anonKey, database, dialects, disconnect, gatewayPids, listener, patience, url, userToken, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

// An EventSource that gathers what it hears: [topic, event, payload] in `.got`,
// and the events of the server in `.told`.
function open (topics, { token = anonKey, query = '', options = {} } = {}) {
  const target = `${url}/realtime/v1/events?apikey=${token}${query}` + topics.map((topic) => `&topic=${encodeURIComponent(topic)}`).join('')
  const source = new EventSource(target, options)
  const got = []
  const told = []
  const errors = []
  source.onmessage = ({ data }) => { const { topic, event, payload } = JSON.parse(data); got.push([topic, event, payload]) }
  source.onerror = (error) => errors.push(error.code)
  for (const name of ['ready', 'recovered', 'lost', 'close']) {
    source.addEventListener(name, ({ data, lastEventId }) => told.push([name, JSON.parse(data), lastEventId]))
  }
  return {
    source,
    got,
    told,
    errors,
    until: (count) => waitFor(() => got.length >= count, `${count} messages`),
    ready: (times = 1) => waitFor(() => told.filter(([name]) => name === 'ready').length >= times, 'ready')
  }
}

const send = (topic, n, isPrivate = false) =>
  db.query('SELECT realtime.send(jsonb_build_object(\'n\', $1::int), \'count\', $2, $3)', [n, topic, isPrivate])
const numbers = (stream, topic) => stream.got.filter(([name]) => name === topic).map(([, , payload]) => payload.n)

describe('EventSource', { timeout: patience * 6 }, () => {
  test('hears the database and clients', async () => {
    const stream = open(['events: rüm/1 ☃', 'events:two'])
    await stream.ready()
    assert.deepEqual(stream.told[0][1], { topics: ['events: rüm/1 ☃', 'events:two'] })
    assert.match(stream.told[0][2], /^[-\w]{32}$/)
    await send('events: rüm/1 ☃', 1)
    await send('events:two', 2)
    await stream.until(2)
    for (const dialect of dialects) {
      const client = dialect.connect()
      const { channel } = await listener(client, 'events:two')
      await channel.send({ type: 'broadcast', event: 'talk', payload: { text: 'héllo ☃' } })
      await channel.httpSend('http', { from: dialect.name })
      await stream.until(2 + 2 * (dialects.indexOf(dialect) + 1))
      await disconnect(client)
    }
    stream.source.close()
    assert.deepEqual(stream.got.slice(0, 2).map(([topic, event, { n }]) => [topic, event, n]),
      [['events: rüm/1 ☃', 'count', 1], ['events:two', 'count', 2]])
    // a socket and a request may be at two gateways
    assert.deepEqual(stream.got.slice(2).map(([topic, event]) => `${topic} ${event}`).sort(),
      ['http', 'talk'].flatMap((event) => dialects.map(() => `events:two ${event}`)))
  })

  test('a private topic: a member, a guest', async () => {
    const [member, guest, room] = [randomUUID(), randomUUID(), randomUUID()]
    const topic = `room:${room}`
    await db.query('INSERT INTO room_members VALUES ($1, $2)', [member, room])
    const stream = open([topic], { token: userToken(member), query: '&private=true' })
    await stream.ready()
    await send(topic, 1, true)
    await stream.until(1)
    assert.deepEqual(numbers(stream, topic), [1])
    stream.source.close()

    const refused = open([topic], { token: userToken(guest), query: '&private=true' })
    await waitFor(() => refused.source.readyState === EventSource.CLOSED, 'the refusal')
    assert.deepEqual(refused.errors, [403])
  })

  test('headers of a fetch carry the token', async () => {
    const fetchWithToken = (input, init) =>
      fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${userToken(randomUUID())}` } })
    const stream = open(['events:fetch'], { token: '', options: { fetch: fetchWithToken } })
    await stream.ready()
    stream.source.close()
  })

  test('comes back by itself when the gateways are killed, and misses nothing', async () => {
    const topics = ['events:a', 'events:b']
    const one = open(topics.slice(0, 1))
    const both = open(topics)
    await one.ready()
    await both.ready()
    for (let n = 1; n <= 4; n++) await send(topics[n % 2], n)
    await both.until(4)
    await one.until(2)
    for (const pid of await gatewayPids(db)) process.kill(pid, 'SIGKILL')
    for (let n = 5; n <= 12; n++) await send(topics[n % 2], n)
    await both.ready(2)
    await one.ready(2)
    for (let n = 13; n <= 14; n++) await send(topics[n % 2], n)
    await both.until(14)
    await one.until(7)
    assert.deepEqual(numbers(both, 'events:a'), [2, 4, 6, 8, 10, 12, 14])
    assert.deepEqual(numbers(both, 'events:b'), [1, 3, 5, 7, 9, 11, 13])
    assert.deepEqual(numbers(one, 'events:a'), [2, 4, 6, 8, 10, 12, 14])
    assert.deepEqual(both.told.filter(([name]) => name === 'lost'), [])
    one.source.close()
    both.source.close()
  })
})
