// Clients that broadcast to each other over their sockets: every pair of
// client version and serializer in one room, acknowledgements, hearing
// oneself, bytes, and private channels.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { database, dialects, disconnect, listener, patience, subscribe, userToken } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

test('all dialects in one room', { timeout: patience * 6 }, async () => {
  const members = []
  for (const dialect of dialects) {
    const client = dialect.connect()
    members.push({ dialect, client, ...await listener(client, 'talk:all') })
  }
  for (const [n, { channel }] of members.entries()) {
    for (let i = 0; i < 10; i++) {
      assert.equal(await channel.send({ type: 'broadcast', event: 'hello', payload: { from: n, i, text: 'é☃' } }), 'ok')
    }
  }
  for (const [n, { got, until, dialect }] of members.entries()) {
    await until(30)
    for (let from = 0; from < members.length; from++) {
      assert.deepEqual(got.filter((m) => m.payload.from === from).map((m) => m.payload.i),
        from === n ? [] : Array.from({ length: 10 }, (_, i) => i), `${dialect.name} hears ${from} in order`)
    }
    for (const message of got) {
      assert.equal(message.type, 'broadcast')
      assert.equal(message.event, 'hello')
      assert.equal(message.payload.text, 'é☃')
    }
  }
  for (const { client } of members) await disconnect(client)
})

for (const dialect of dialects) {
  describe(dialect.name, { timeout: patience * 6 }, () => {
    let client, other
    before(() => { client = dialect.connect(); other = dialect.connect() })
    after(async () => { await disconnect(client); await disconnect(other) })

    test('ack: send() resolves when the server has it', async () => {
      const listening = await listener(other, 'talk:ack')
      const { channel, got } = await listener(client, 'talk:ack', '*', { broadcast: { ack: true } })
      for (let n = 0; n < 20; n++) {
        assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { n } }), 'ok')
      }
      await listening.until(20)
      assert.deepEqual(listening.got.map((m) => m.payload.n), Array.from({ length: 20 }, (_, n) => n))
      assert.equal(got.length, 0, 'who does not ask for it does not hear himself')
    })

    test('self: the sender hears himself, in order', async () => {
      const { channel, got, until } = await listener(client, 'talk:self', '*', { broadcast: { self: true, ack: true } })
      await Promise.all(Array.from({ length: 50 }, (_, n) => channel.send({ type: 'broadcast', event: 'e', payload: { n } })))
      await until(50)
      assert.deepEqual(got.map((m) => m.payload.n), Array.from({ length: 50 }, (_, n) => n))
    })

    test('a payload of bytes', async () => {
      const two = dialects.find(({ vsn }) => vsn === '2.0.0').connect()
      const listening = await listener(two, 'talk:bytes')
      const { channel } = await listener(client, 'talk:bytes', '*', { broadcast: { ack: true } })
      const bytes = new Uint8Array([0, 1, 254, 255]).buffer
      assert.equal(await channel.send({ type: 'broadcast', event: 'bytes', payload: bytes }), 'ok')
      await listening.until(1)
      if (dialect.vsn === '2.0.0') {
        assert.ok(listening.got[0].payload instanceof ArrayBuffer)
        assert.deepEqual([...new Uint8Array(listening.got[0].payload)], [0, 1, 254, 255])
      } else {
        assert.deepEqual(listening.got[0].payload, {}, 'what JSON makes of it')
      }
      await disconnect(two)
    })

    test('other members of a message', async () => {
      const listening = await listener(other, 'talk:extra')
      const { channel } = await listener(client, 'talk:extra', '*', { broadcast: { ack: true } })
      await channel.send({ type: 'broadcast', event: 'e', payload: { n: 1 }, extra: 1 })
      await channel.send({ type: 'broadcast', event: 'e' })
      await listening.until(2)
      assert.equal(listening.got[0].extra, dialect.vsn === '1.0.0' ? 1 : undefined)
      assert.equal(listening.got[1].event, 'e')
    })

    test('too large a payload', async () => {
      const { channel } = await listener(client, 'talk:large', '*', { broadcast: { ack: true } })
      assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { text: 'x'.repeat(3_100_000) } }), 'error')
      assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: {} }), 'ok', 'the channel stays')
    })

    test('a private channel: who may write, and for how long', async () => {
      const [sender, hearer] = [dialect.connect(), dialect.connect()]
      const [member, room] = [randomUUID(), randomUUID()]
      const topic = `room:${room}`
      await db.query('INSERT INTO room_members VALUES ($1, $2)', [member, room])
      await sender.realtime.setAuth(userToken(member))
      await hearer.realtime.setAuth(userToken(member))
      const { got, until } = await listener(hearer, topic, '*', { private: true })
      const { channel } = await listener(sender, topic, '*', { private: true, broadcast: { ack: true } })
      assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { n: 1 } }), 'ok')
      await until(1)

      // a decision holds until the token changes, also for one who could not join any more
      await db.query('DELETE FROM room_members WHERE user_id = $1', [member])
      assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { n: 2 } }), 'ok')
      await until(2)
      const late = dialect.connect()
      await late.realtime.setAuth(userToken(member))
      const [status] = await subscribe(late.channel(topic, { config: { private: true } }), ['CHANNEL_ERROR', 'SUBSCRIBED'])
      assert.equal(status, 'CHANNEL_ERROR')
      assert.deepEqual(got.map((m) => m.payload.n), [1, 2])
      for (const client of [sender, hearer, late]) await disconnect(client)
    })

    test('without ack, to a second tab of the same user', async () => {
      const tab = await listener(other, 'talk:tabs')
      const { channel, got } = await listener(client, 'talk:tabs')
      for (let n = 0; n < 20; n++) {
        assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { n } }), 'ok')
      }
      await tab.until(20)
      assert.deepEqual(tab.got.map((m) => m.payload.n), Array.from({ length: 20 }, (_, n) => n))
      assert.equal(got.length, 0)
    })

    test('events in any case, and those of other names', async () => {
      const some = await listener(other, 'talk:events', 'Cursor-Pos')
      const { channel } = await listener(client, 'talk:events', '*', { broadcast: { ack: true } })
      for (const event of ['other', 'CURSOR-POS', 'cursor-pos-2', 'cursor-pos']) {
        await channel.send({ type: 'broadcast', event, payload: {} })
      }
      await some.until(2)
      assert.deepEqual(some.got.map((m) => m.event), ['CURSOR-POS', 'cursor-pos'])
    })

    test('a private and a public room of one name', async () => {
      const [member, room] = [randomUUID(), randomUUID()]
      const topic = `room:${room}`
      await db.query('INSERT INTO room_members VALUES ($1, $2)', [member, room])
      const inside = [dialect.connect(), dialect.connect()]
      for (const one of inside) await one.realtime.setAuth(userToken(member))
      const config = { private: true, broadcast: { ack: true } }
      const secret = await listener(inside[0], topic, '*', config)
      const hears = await listener(inside[1], topic, '*', config)
      const open = await listener(client, topic, '*', { broadcast: { ack: true } })
      const stands = await listener(other, topic)
      await secret.channel.send({ type: 'broadcast', event: 'e', payload: { n: 'secret' } })
      await open.channel.send({ type: 'broadcast', event: 'e', payload: { n: 'open' } })
      await secret.channel.send({ type: 'broadcast', event: 'last', payload: { n: 'secret' } })
      await open.channel.send({ type: 'broadcast', event: 'last', payload: { n: 'open' } })
      await hears.until(2)
      await stands.until(2)
      assert.deepEqual(hears.got.map((m) => m.payload.n), ['secret', 'secret'])
      assert.deepEqual(stands.got.map((m) => m.payload.n), ['open', 'open'])
      for (const one of inside) await disconnect(one)
    })

    test('who may write is asked with the first message', async () => {
      const [stays, leaves, room] = [randomUUID(), randomUUID(), randomUUID()]
      const topic = `room:${room}`
      await db.query('INSERT INTO room_members VALUES ($1, $3), ($2, $3)', [stays, leaves, room])
      const [a, b, c] = [dialect.connect(), dialect.connect(), dialect.connect()]
      await a.realtime.setAuth(userToken(stays))
      await b.realtime.setAuth(userToken(leaves))
      await c.realtime.setAuth(userToken(leaves))
      const allowed = await listener(a, topic, '*', { private: true, broadcast: { ack: true, self: true } })
      const acked = await listener(b, topic, '*', { private: true, broadcast: { ack: true } })
      const silent = await listener(c, topic, '*', { private: true })
      await db.query('DELETE FROM room_members WHERE user_id = $1', [leaves])
      for (let n = 0; n < 3; n++) {
        assert.equal(await acked.channel.send({ type: 'broadcast', event: 'e', payload: {} }), 'error')
        assert.equal(await silent.channel.send({ type: 'broadcast', event: 'e', payload: {} }), 'ok', 'nobody says no')
      }
      assert.equal(await acked.channel.track({ n: 1 }), 'error', 'nor may he track')
      assert.equal(await acked.channel.untrack(), 'ok', 'untrack is never denied')
      assert.equal(await allowed.channel.send({ type: 'broadcast', event: 'last', payload: {} }), 'ok')
      await allowed.until(1)
      await acked.until(1)
      assert.deepEqual([...allowed.got, ...acked.got].map((m) => m.event), ['last', 'last'], 'what was denied nobody hears')
      assert.equal(acked.channel.state, 'joined')
      for (const one of [a, b, c]) await disconnect(one)
    })
  })
}
