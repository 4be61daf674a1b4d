// Broadcast by HTTP from the unmodified client: httpSend(), send() of a channel
// that is not subscribed, and what the client makes of refusals.  Each request may
// take a connection, and with it a gateway, of its own: no order is kept among them.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { database, dialects, disconnect, listener, patience, url, userToken, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

for (const dialect of dialects) {
  describe(dialect.name, { timeout: patience * 6 }, () => {
    let client, other
    before(() => { client = dialect.connect(); other = dialect.connect() })
    after(async () => { await disconnect(client); await disconnect(other) })

    test('httpSend of JSON', async () => {
      const topic = 'rest: rüm/1 ☃'
      const { got, until } = await listener(other, topic)
      const channel = client.channel(topic)
      assert.deepEqual(await channel.httpSend('greet/ing é', { text: 'héllo ☃', list: [1, null] }), { success: true })
      await until(1)
      assert.deepEqual(got, [{ type: 'broadcast', event: 'greet/ing é', payload: { text: 'héllo ☃', list: [1, null] } }])
    })

    test('httpSend of bytes arrives as an ArrayBuffer on 2.0.0 and is skipped on 1.0.0', async () => {
      const { got, until } = await listener(other, 'rest:bytes')
      const channel = client.channel('rest:bytes')
      await channel.httpSend('bytes', new Uint8Array([0, 255, 16]).buffer)
      if (dialect.vsn !== '1.0.0') {
        await until(1)
        assert.ok(got[0].payload instanceof ArrayBuffer)
        assert.deepEqual([...new Uint8Array(got[0].payload)], [0, 255, 16])
      }
      await channel.httpSend('after', {})
      await waitFor(() => got.at(-1)?.event === 'after', 'the message after')
      assert.deepEqual(got.map((m) => m.event), dialect.vsn === '1.0.0' ? ['after'] : ['bytes', 'after'])
    })

    test('send() without a subscription', async () => {
      const { got, until } = await listener(other, 'rest:send')
      const channel = client.channel('rest:send')
      assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { n: 1 } }), 'ok')
      await until(1)
      assert.deepEqual(got, [{ type: 'broadcast', event: 'e', payload: { n: 1 } }])
    })

    test('a private channel: a member, a guest', async () => {
      // clients of their own: what the others' sessions do with their tokens is their affair
      const [sender, listening] = [dialect.connect(), dialect.connect()]
      const [member, guest, room] = [randomUUID(), randomUUID(), randomUUID()]
      const topic = `room:${room}`
      await db.query('INSERT INTO room_members VALUES ($1, $2)', [member, room])
      await sender.realtime.setAuth(userToken(member))
      await listening.realtime.setAuth(userToken(member))
      const { got, until } = await listener(listening, topic, '*', { private: true })
      const channel = sender.channel(topic, { config: { private: true } })
      assert.deepEqual(await channel.httpSend('e', { n: 1 }), { success: true })
      assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { n: 2 } }), 'ok')

      await sender.realtime.setAuth(userToken(guest))
      await assert.rejects(channel.httpSend('e', { n: 3 }), (error) => /Unauthorized/.test(error?.message ?? error))
      assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { n: 4 } }), 'ok', 'a batch is silent about it')

      await sender.realtime.setAuth(userToken(member))
      await channel.httpSend('e', { n: 5 })
      await until(3)
      assert.deepEqual(got.map((m) => m.payload.n).sort(), [1, 2, 5])
      await disconnect(sender)
      await disconnect(listening)
    })

    test('a payload that is too large', async () => {
      const channel = client.channel('rest:large')
      await assert.rejects(channel.httpSend('e', { text: 'x'.repeat(3_100_000) }),
        (error) => /Payload size exceeds tenant limit/.test(error?.message ?? error))
      assert.equal(await channel.send({ type: 'broadcast', event: 'e', payload: { text: 'x'.repeat(3_100_000) } }), 'error')
    })

    test('100 requests at a time', async () => {
      const { got, until } = await listener(other, 'rest:many')
      const channel = client.channel('rest:many')
      await Promise.all(Array.from({ length: 100 }, (_, n) => channel.httpSend('e', { n })))
      await until(100)
      assert.deepEqual(got.map((m) => m.payload.n).sort((a, b) => a - b), Array.from({ length: 100 }, (_, n) => n))
    })
  })
}

test('a page of any origin may ask', async () => {
  for (const path of ['/realtime/v1/api/broadcast', '/realtime/v1/api/broadcast/room/events/e', '/api/broadcast']) {
    const answer = await fetch(url + path, {
      method: 'OPTIONS',
      headers: { origin: 'https://app.example', 'access-control-request-method': 'POST', 'access-control-request-headers': 'apikey,authorization,content-type,x-client-info' }
    })
    assert.equal(answer.status, 204)
    assert.equal(answer.headers.get('access-control-allow-origin'), '*')
  }
})
