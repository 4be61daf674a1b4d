// Broadcast from the database, as a Supabase application sees it: what psql
// commits reaches the unmodified client, whatever inserted it, in commit
// order, with the row's id as meta.id.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { database, dialects, disconnect, listener, patience, subscribe, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

for (const dialect of dialects) {
  describe(dialect.name, { timeout: patience * 6 }, () => {
    let client
    before(() => { client = dialect.connect() })
    after(() => disconnect(client))

    test('receives realtime.send', async () => {
      const { got, until } = await listener(client, 'room:send')
      await db.query("SELECT realtime.send('{\"text\": \"héllo ☃\"}'::jsonb, 'greeting', 'room:send', false)")
      await until(1)
      const { rows } = await db.query("SELECT id FROM realtime.messages WHERE topic = 'room:send' ORDER BY inserted_at DESC LIMIT 1")
      assert.equal(got[0].type, 'broadcast')
      assert.equal(got[0].event, 'greeting')
      assert.equal(got[0].payload.text, 'héllo ☃')
      assert.equal(got[0].payload.id, rows[0].id, 'payload.id is the id of the row')
      assert.equal(got[0].meta.id, rows[0].id, 'meta.id is the id of the row')
    })

    test('receives the other order of arguments', async () => {
      const { got, until } = await listener(client, 'room:order')
      await db.query("SELECT realtime.send('room:order', 'status_changed', jsonb_build_object('n', 1), false)")
      await until(1)
      assert.equal(got[0].event, 'status_changed')
      assert.equal(got[0].payload.n, 1)
    })

    test('receives a plain INSERT', async () => {
      const { got, until } = await listener(client, 'room:insert')
      const { rows } = await db.query(`
        INSERT INTO realtime.messages (topic, extension, event, payload)
        VALUES ('room:insert', 'broadcast', 'e', '{"n": 1}') RETURNING id`)
      await until(1)
      assert.deepEqual(got[0].payload, { n: 1 }, 'the payload is passed through')
      assert.equal(got[0].meta.id, rows[0].id)
    })

    test('receives what a trigger sends', async () => {
      const { got, until } = await listener(client, 'room:7')
      await db.query("INSERT INTO tickets (room_id, status) VALUES (7, 'open')")
      await until(1)
      assert.equal(got[0].event, 'status_changed')
      assert.equal(got[0].payload.status, 'open')
      await db.query('DELETE FROM tickets')
    })

    test('receives 1,000 messages in the order of their commits', async () => {
      const { got, until } = await listener(client, 'room:thousand')
      const writers = await Promise.all([1, 2, 3, 4].map(() => database()))
      await Promise.all(writers.map(async (writer, w) => {
        for (let n = 0; n < 250; n++) {
          await writer.query('SELECT realtime.send(jsonb_build_object(\'writer\', $1::int, \'n\', $2::int), \'e\', \'room:thousand\', false)', [w, n])
        }
        await writer.end()
      }))
      await until(1000)
      assert.equal(got.length, 1000)
      assert.equal(new Set(got.map((m) => m.meta.id)).size, 1000, 'no duplicate')
      for (let w = 0; w < 4; w++) {
        assert.deepEqual(got.filter((m) => m.payload.writer === w).map((m) => m.payload.n),
          Array.from({ length: 250 }, (_, n) => n), `messages of writer ${w} are in order`)
      }
    })

    test('receives one transaction whole and in order, and nothing rolled back', async () => {
      const { got, until } = await listener(client, 'room:xact')
      await db.query('BEGIN')
      await db.query("SELECT realtime.send('{\"n\": 0}'::jsonb, 'e', 'room:xact', false)")
      await db.query('ROLLBACK')
      await db.query('BEGIN')
      for (let n = 1; n <= 50; n++) {
        await db.query('SELECT realtime.send(jsonb_build_object(\'n\', $1::int), \'e\', \'room:xact\', false)', [n])
      }
      assert.equal(got.length, 0, 'nothing before the commit')
      await db.query('COMMIT')
      await until(50)
      assert.deepEqual(got.map((m) => m.payload.n), Array.from({ length: 50 }, (_, n) => n + 1))
    })

    test('send_binary arrives as an ArrayBuffer on 2.0.0 and is skipped on 1.0.0', async () => {
      const { got, until } = await listener(client, 'room:binary')
      const { rows } = await db.query(String.raw`
        SELECT realtime.send_binary('\x00ff10'::bytea, 'bytes', 'room:binary', false)`)
      assert.equal(rows.length, 1)
      await db.query("SELECT realtime.send('{}'::jsonb, 'after', 'room:binary', false)")
      if (dialect.vsn === '1.0.0') {
        await until(1)
        assert.equal(got[0].event, 'after')
        return
      }
      await until(2)
      assert.equal(got[0].event, 'bytes')
      assert.ok(got[0].payload instanceof ArrayBuffer)
      assert.deepEqual([...new Uint8Array(got[0].payload)], [0x00, 0xff, 0x10])
      assert.ok(got[0].meta.id)
      assert.equal(got[1].event, 'after')
    })

    test('large and odd payloads', async () => {
      const { got, until } = await listener(client, 'room:payloads')
      const payloads = [
        {}, { list: [1, [2, [3]]], nothing: null, yes: true, number: -1.5e300 },
        { text: '"\\\n\t\u2028 \u{1f600} ء' }, { big: 'x'.repeat(1_000_000) }, { __proto__x: { constructor: 1 } }
      ]
      for (const payload of payloads) {
        await db.query('SELECT realtime.send($1::jsonb, \'e\', \'room:payloads\', false)', [JSON.stringify(payload)])
      }
      await until(payloads.length)
      payloads.forEach((payload, i) => {
        const { id, ...rest } = got[i].payload
        assert.deepEqual(rest, payload)
        assert.ok(id)
      })
    })

    test('listens to one event only, in any case', async () => {
      const { got, until } = await listener(client, 'room:event', 'Wanted')
      await db.query("SELECT realtime.send('{}'::jsonb, 'other', 'room:event', false)")
      await db.query("SELECT realtime.send('{}'::jsonb, 'WANTED', 'room:event', false)")
      await until(1)
      assert.deepEqual(got.map((m) => m.event), ['WANTED'])
    })

    test('two channels of one client do not mix', async () => {
      const a = await listener(client, 'room:a')
      const b = await listener(client, 'room:b')
      await db.query(`SELECT realtime.send(jsonb_build_object('n', n), 'e', CASE n % 2 WHEN 0 THEN 'room:a' ELSE 'room:b' END, false)
        FROM generate_series(1, 10) AS n`)
      await Promise.all([a.until(5), b.until(5)])
      assert.deepEqual(a.got.map((m) => m.payload.n), [2, 4, 6, 8, 10])
      assert.deepEqual(b.got.map((m) => m.payload.n), [1, 3, 5, 7, 9])
    })

    test('hears no more after unsubscribe and removeChannel', async () => {
      const gone = await listener(client, 'room:gone')
      const removed = await listener(client, 'room:removed')
      const stays = await listener(client, 'room:stays')
      assert.equal(await gone.channel.unsubscribe(), 'ok')
      assert.equal(await client.removeChannel(removed.channel), 'ok')
      await db.query(`SELECT realtime.send('{}'::jsonb, 'e', t, false)
        FROM unnest(ARRAY['room:gone', 'room:removed', 'room:stays']) AS t`)
      await stays.until(1)
      assert.equal(gone.got.length, 0)
      assert.equal(removed.got.length, 0)
    })

    test('subscribes again after unsubscribing', async () => {
      const first = await listener(client, 'room:again')
      await client.removeChannel(first.channel)
      const second = await listener(client, 'room:again')
      await db.query("SELECT realtime.send('{}'::jsonb, 'e', 'room:again', false)")
      await second.until(1)
      assert.equal(first.got.length, 0)
      assert.equal(second.got.length, 1)
    })

    test('a private channel is refused, with the reason', async () => {
      const channel = client.channel('room:private', { config: { private: true } })
      const [status, error] = await subscribe(channel, ['CHANNEL_ERROR', 'SUBSCRIBED'])
      assert.equal(status, 'CHANNEL_ERROR')
      assert.match(error.message, /Unauthorized: You do not have permissions to read from this Channel topic: room:private/)
      await client.removeChannel(channel)
    })

    test('private messages do not reach the public room of that name', async () => {
      const { got, until } = await listener(client, 'tickets:9')
      await db.query("INSERT INTO changes (id, note) VALUES (9, 'broadcast_changes is private')")
      await db.query("SELECT realtime.send('{}'::jsonb, 'private', 'tickets:9', true)")
      await db.query("SELECT realtime.send('{}'::jsonb, 'public', 'tickets:9', false)")
      await until(1)
      assert.deepEqual(got.map((m) => m.event), ['public'])
      await db.query('DELETE FROM changes')
    })

    test('two clients in one room hear the same', async () => {
      const other = dialect.connect()
      const mine = await listener(client, 'room:both')
      const theirs = await listener(other, 'room:both')
      await db.query("SELECT realtime.send(jsonb_build_object('n', n), 'e', 'room:both', false) FROM generate_series(1, 100) AS n")
      await Promise.all([mine.until(100), theirs.until(100)])
      assert.deepEqual(theirs.got, mine.got)
      await disconnect(other)
    })

    test('the heartbeat is answered', async () => {
      const statuses = []
      const beating = dialect.connect({ heartbeatIntervalMs: 200, heartbeatCallback: (status) => statuses.push(status) })
      await listener(beating, 'room:heartbeat')
      await waitFor(() => statuses.filter((s) => s === 'ok').length >= 3, 'three answered heartbeats')
      assert.ok(!statuses.includes('timeout'), statuses.join())
      await disconnect(beating)
    })
  })
}
