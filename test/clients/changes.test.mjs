// Followed tables as a Supabase application sees them: postgres_changes with
// every operator and event, row-level security, and what becomes of a
// subscription when its table or its user's token changes.
//
// ROUNDS=2500 makes 10,000 of the rounds that insert right after SUBSCRIBED.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import pg from 'pg'
import { database, dialects, disconnect, patience, subscribe, token, userToken, waitFor } from './support.mjs'

const rounds = Number(process.env.ROUNDS ?? 25)

let db
before(async () => {
  db = await database()
  await db.query('CREATE SCHEMA IF NOT EXISTS shop')
  await db.query('GRANT USAGE ON SCHEMA shop TO anon, authenticated, service_role')
})
after(async () => { await db.end() })

// A table of its own for each test, published and readable unless told otherwise.
let tables = 0
async function table (columns, { grant = 'SELECT', full = false, policy } = {}) {
  const name = `t${++tables}_${randomUUID().slice(0, 8)}`
  await db.query(`CREATE TABLE shop.${name} (${columns})`)
  if (full) await db.query(`ALTER TABLE shop.${name} REPLICA IDENTITY FULL`)
  if (grant) await db.query(`GRANT ${grant} ON shop.${name} TO anon, authenticated, service_role`)
  if (policy) {
    await db.query(`ALTER TABLE shop.${name} ENABLE ROW LEVEL SECURITY`)
    await db.query(`CREATE POLICY p ON shop.${name} FOR SELECT USING (${policy})`)
  }
  await db.query(`ALTER PUBLICATION supabase_realtime ADD TABLE shop.${name}`)
  return name
}

// Follow with these entries; resolves when subscribed.  Gathers what the
// application is told, by entry and in all, and system messages.
async function follow (client, entries, options = {}) {
  const channel = client.channel(`changes-${randomUUID()}`, options)
  const got = []
  const by = entries.map(() => [])
  const system = []
  entries.forEach((entry, n) => channel.on('postgres_changes', entry, (payload) => {
    by[n].push(payload)
    if (!got.includes(payload)) got.push(payload)
  }))
  channel.on('system', {}, (message) => system.push(message))
  const [status, error] = await subscribe(channel, ['SUBSCRIBED', 'CHANNEL_ERROR'])
  return {
    channel,
    got,
    by,
    system,
    status,
    error,
    until: (count) => waitFor(() => got.length >= count, `${count} changes, got ${got.length}`),
    said: (text) => waitFor(() => system.some(({ message }) => message.startsWith(text)), text)
  }
}

const idOf = (payload) => payload.new.id ?? payload.old.id
const brief = (got) => got.map((payload) => `${payload.eventType} ${idOf(payload)}`)

// What each operator means to a row, as PostgreSQL sees it: null is no match.
const known = (value, holds) => value === null ? null : holds(value)
const operators = {
  'n=eq.5': (r) => known(r.n, (n) => n === 5),
  'n=neq.5': (r) => known(r.n, (n) => n !== 5),
  'n=lt.5': (r) => known(r.n, (n) => n < 5),
  'n=lte.5': (r) => known(r.n, (n) => n <= 5),
  'n=gt.5': (r) => known(r.n, (n) => n > 5),
  'n=gte.5': (r) => known(r.n, (n) => n >= 5),
  'n=in.(5,7)': (r) => known(r.n, (n) => n === 5 || n === 7),
  't=like.a%': (r) => known(r.t, (t) => t.startsWith('a')),
  't=ilike.A%': (r) => known(r.t, (t) => /^a/i.test(t)),
  'b=is.true': (r) => r.b === true,
  't=match.^a': (r) => known(r.t, (t) => /^a/.test(t)),
  't=imatch.^A': (r) => known(r.t, (t) => /^a/i.test(t)),
  'n=isdistinct.5': (r) => r.n !== 5
}

const negated = Object.fromEntries(Object.entries(operators).map(([filter, holds]) =>
  [filter.replace('=', '=not.'), (r) => { const value = holds(r); return value === null ? null : !value }]))

const composed = {
  'n=gte.4,n=lt.7,t=like.a%': (r) => r.n !== null && r.t !== null && r.n >= 4 && r.n < 7 && r.t.startsWith('a'),
  'n=not.is.null,b=not.is.true': (r) => r.n !== null && r.b !== true,
  't=in.("abc","x,y"),n=eq.5': (r) => ['abc', 'x,y'].includes(r.t) && r.n === 5,
  't=match.^[a-z]+$,n=in.(4,5)': (r) => r.t !== null && /^[a-z]+$/.test(r.t) && [4, 5].includes(r.n)
}

const rows = [
  { id: 1, n: 5, t: 'abc', b: true },
  { id: 2, n: 4, t: 'xyz', b: false },
  { id: 3, n: 7, t: 'Abc', b: null },
  { id: 4, n: null, t: null, b: null },
  { id: 5, n: 5, t: 'x,y', b: false },
  // every filter has one of these: the end
  { id: 98, n: 5, t: 'abc', b: true },
  { id: 99, n: 8, t: 'zzz', b: false }
]

function changes (dialect) {
  describe(dialect.name, { concurrency: false, timeout: patience * 6 + rounds * 100 }, () => {
    let client
    const clients = []
    const connect = async (jwt) => {
      const client = dialect.connect(jwt ? { accessToken: async () => jwt } : {})
      if (jwt) await client.realtime.setAuth(jwt)
      clients.push(client)
      return client
    }

    before(async () => { client = await connect() })
    after(async () => { for (const client of clients) await disconnect(client) })

    for (const [name, filters] of Object.entries({ operators, negated, composed })) {
      test(`filters by event: ${name}`, async () => {
        const t = await table('id int PRIMARY KEY, n int, t text, b boolean', { full: true })
        const events = ['*', 'INSERT', 'UPDATE', 'DELETE']
        const followed = await Promise.all(Object.entries(filters).map(async ([filter, holds]) => ({
          filter,
          holds,
          ...await follow(client, events.map((event) => ({ event, schema: 'shop', table: t, filter })))
        })))
        for (const row of rows) await db.query(`INSERT INTO shop.${t} VALUES ($1, $2, $3, $4)`, [row.id, row.n, row.t, row.b])
        await db.query(`UPDATE shop.${t} SET id = id WHERE id < 90`)
        await db.query(`DELETE FROM shop.${t} WHERE id < 90`)
        await db.query(`DELETE FROM shop.${t}`)
        for (const { filter, holds, by, until } of followed) {
          const ids = (first) => rows.filter((row) => (row.id < 90) === first && holds(row)).map(({ id }) => id)
          const wanted = {
            INSERT: [...ids(true), ...ids(false)],
            UPDATE: ids(true),
            DELETE: [...ids(true), ...ids(false)]
          }
          const all = Object.entries(wanted).flatMap(([event, ids]) => ids.map((id) => `${event} ${id}`))
          await until(all.length)
          assert.deepEqual(brief(by[0]).sort(), [...all].sort(), filter)
          for (const n of [1, 2, 3]) {
            assert.deepEqual(brief(by[n]), wanted[events[n]].map((id) => `${events[n]} ${id}`), `${filter} ${events[n]}`)
          }
        }
        await client.removeAllChannels()
      })
    }

    test('payloads', async () => {
      const t = await table('id bigint PRIMARY KEY, tags text[], doc jsonb, at timestamptz, raw bytea, price numeric, note text', { full: false })
      const { got, until } = await follow(client, [{ event: '*', schema: 'shop', table: t }])
      await db.query(`INSERT INTO shop.${t} VALUES (1, '{a,"b c"}', '{"x":[1,null]}', '2026-01-02 03:04:05.678901+02', '\\x01ff', 12.50, E'a"\\n')`)
      await db.query(`UPDATE shop.${t} SET note = 'b'`)
      await db.query(`DELETE FROM shop.${t}`)
      await until(3)
      const [inserted, updated, deleted] = got
      assert.equal(inserted.schema, 'shop')
      assert.equal(inserted.table, t)
      assert.equal(inserted.errors, null)
      assert.match(inserted.commit_timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.ok(Math.abs(Date.parse(inserted.commit_timestamp) - Date.now()) < 60_000)
      assert.deepEqual(inserted.new, {
        id: 1, tags: ['a', 'b c'], doc: { x: [1, null] }, at: '2026-01-02T01:04:05.678901+00:00', raw: '01ff', price: 12.5, note: 'a"\n'
      })
      assert.deepEqual(inserted.old, {})
      assert.equal(updated.new.note, 'b')
      assert.deepEqual(updated.old, { id: 1 })
      assert.deepEqual(deleted.new, {})
      assert.deepEqual(deleted.old, { id: 1 })
      await client.removeAllChannels()
    })

    test('wildcards and duplicates', async () => {
      const a = await table('id int PRIMARY KEY')
      const b = await table('id int PRIMARY KEY')
      const entries = [
        { event: '*', schema: 'shop', table: a },
        { event: 'INSERT', schema: 'shop', table: '*' },
        { event: '*', schema: '*' },
        { event: 'INSERT', schema: 'shop', table: b }
      ]
      const { by, until, status } = await follow(client, entries)
      assert.equal(status, 'SUBSCRIBED')
      await db.query(`INSERT INTO shop.${a} VALUES (1)`)
      await db.query(`DELETE FROM shop.${a}`)
      await db.query(`INSERT INTO shop.${b} VALUES (2)`)
      await until(3)
      assert.deepEqual(by.map(brief), [
        ['INSERT 1', 'DELETE 1'], ['INSERT 1', 'INSERT 2'], ['INSERT 1', 'DELETE 1', 'INSERT 2'], ['INSERT 2']
      ])
      // one that is published later belongs to the wildcards as well
      const c = await table('id int PRIMARY KEY')
      await waitFor(async () => {
        await db.query(`INSERT INTO shop.${c} VALUES ((SELECT coalesce(max(id), 2) + 1 FROM shop.${c}))`)
        return by[1].length > 2
      }, 'a table that was published later')
      await client.removeAllChannels()
    })

    test('columns: select and privileges', async () => {
      const t = await table('id int PRIMARY KEY, a int, b int, c int', { grant: 'SELECT (id, a, b)' })
      const chosen = await follow(client, [{ event: '*', schema: 'shop', table: t, select: ['a', 'a'] }])
      const all = await follow(client, [{ event: '*', schema: 'shop', table: t, filter: 'b=eq.3' }])
      await db.query(`INSERT INTO shop.${t} VALUES (1, 2, 3, 4)`)
      await Promise.all([chosen.until(1), all.until(1)])
      assert.deepEqual(all.got[0].new, { id: 1, a: 2, b: 3 })
      assert.deepEqual(chosen.got[0].new, { id: 1, a: 2 })
      const refused = await follow(client, [{ event: '*', schema: 'shop', table: t, filter: 'c=eq.4' }])
      assert.equal(refused.status, 'SUBSCRIBED')
      await refused.said('Unable to subscribe to changes with given parameters. An exception happened so please check your connect parameters:')
      assert.match(refused.system.at(-1).message, /invalid column for filter c/)
      await client.removeAllChannels()
    })

    test('what cannot be followed', async () => {
      const t = await table('id int PRIMARY KEY, n int')
      for (const [entry, text] of [
        [{ event: '*', schema: 'shop', table: t, filter: 'id=foo.1' }, 'Error parsing `filter` params: ["foo", "1"]'],
        [{ event: '*', schema: 'shop', table: t, filter: 'undefined' }, 'Error parsing `filter` params: ["undefined"]'],
        [{ event: '*', schema: 'shop', table: 'nothing' }, 'Unable to subscribe to changes with given parameters. Please check Realtime is enabled for the given connect parameters: [event: *, schema: shop, table: nothing, filters: [], select: nil]'],
        [{ event: '*', schema: 'shop', table: t, filter: 'n=eq.x' }, 'Unable to subscribe to changes with given parameters. An exception happened']
      ]) {
        const { status, said, system } = await follow(client, [entry])
        assert.equal(status, 'SUBSCRIBED')
        await said(text)
        assert.equal(system.at(-1).extension, 'postgres_changes')
        assert.equal(system.at(-1).status, 'error')
      }
      const good = await follow(client, [{ event: '*', schema: 'shop', table: t }])
      await good.said('Subscribed to PostgreSQL')
      await client.removeAllChannels()
    })

    test('row-level security', async () => {
      const [alice, bob] = [randomUUID(), randomUUID()]
      const t = await table('id int PRIMARY KEY, owner uuid, open boolean', { policy: 'open OR owner = auth.uid()', full: true })
      const entries = [{ event: '*', schema: 'shop', table: t }]
      const [ofAlice, ofBob, ofAnon, ofService] = await Promise.all([
        userToken(alice), userToken(bob), undefined, token({ role: 'service_role' })
      ].map(async (jwt) => follow(await connect(jwt), entries)))
      await db.query(`INSERT INTO shop.${t} VALUES (1, $1, false), (2, $2, false), (3, NULL, true)`, [alice, bob])
      await db.query(`UPDATE shop.${t} SET owner = $1 WHERE id = 1`, [bob])
      await db.query(`DELETE FROM shop.${t} WHERE id = 1`)
      await db.query(`INSERT INTO shop.${t} VALUES (9, NULL, true)`)
      const ended = ({ got }) => waitFor(() => brief(got).includes('INSERT 9'), 'the last row')
      await Promise.all([ofAlice, ofBob, ofAnon, ofService].map(ended))
      assert.deepEqual(brief(ofAlice.got), ['INSERT 1', 'INSERT 3', 'INSERT 9'])
      assert.deepEqual(brief(ofBob.got), ['INSERT 2', 'INSERT 3', 'UPDATE 1', 'DELETE 1', 'INSERT 9'])
      assert.deepEqual(brief(ofAnon.got), ['INSERT 3', 'INSERT 9'])
      assert.deepEqual(brief(ofService.got), ['INSERT 1', 'INSERT 2', 'INSERT 3', 'UPDATE 1', 'DELETE 1', 'INSERT 9'])
    })

    test('another token, other rows', async () => {
      const [alice, bob] = [randomUUID(), randomUUID()]
      const t = await table('id int PRIMARY KEY, owner uuid', { policy: 'owner = auth.uid()' })
      let jwt = userToken(alice)
      const client = dialect.connect({ accessToken: async () => jwt })
      clients.push(client)
      await client.realtime.setAuth(jwt)
      const { got, system, until } = await follow(client, [{ event: '*', schema: 'shop', table: t }])
      await db.query(`INSERT INTO shop.${t} VALUES (1, $1), (2, $2)`, [alice, bob])
      await until(1)
      jwt = userToken(bob)
      await client.realtime.setAuth(jwt)
      await waitFor(() => system.filter(({ message }) => message === 'Subscribed to PostgreSQL').length >= 2, 'the new subscription')
      await db.query(`INSERT INTO shop.${t} VALUES (3, $1), (4, $2)`, [alice, bob])
      await until(2)
      assert.deepEqual(brief(got), ['INSERT 1', 'INSERT 4'])
    })

    test(`a row committed right after SUBSCRIBED is delivered (${rounds} times)`, async () => {
      const t = await table('id int PRIMARY KEY')
      for (let n = 1; n <= rounds; n++) {
        const { channel, got, until } = await follow(client, [{ event: 'INSERT', schema: 'shop', table: t, ...(n % 2 ? { filter: `id=eq.${n}` } : {}) }])
        await db.query(`INSERT INTO shop.${t} VALUES ($1)`, [n])
        await until(1)
        assert.deepEqual(brief(got), [`INSERT ${n}`])
        await client.removeChannel(channel)
      }
    })

    test('tables that are altered and dropped while they are followed', async () => {
      const t = await table('id int PRIMARY KEY, a int')
      const other = await table('id int PRIMARY KEY')
      const { got, until, said } = await follow(client, [{ event: '*', schema: 'shop', table: t, filter: 'a=eq.1' }])
      const bystander = await follow(client, [{ event: '*', schema: 'shop', table: other }])
      await db.query(`INSERT INTO shop.${t} VALUES (1, 1)`)
      await db.query(`ALTER TABLE shop.${t} ADD COLUMN b text DEFAULT 'x'`)
      await db.query(`INSERT INTO shop.${t} VALUES (2, 1, 'y')`)
      await db.query(`ALTER TABLE shop.${t} RENAME COLUMN b TO c`)
      await db.query(`ALTER TABLE shop.${t} ALTER COLUMN c TYPE varchar(5)`)
      await db.query(`INSERT INTO shop.${t} VALUES (3, 1, 'z')`)
      await until(3)
      assert.deepEqual(got.map((payload) => payload.new), [{ id: 1, a: 1 }, { id: 2, a: 1, b: 'y' }, { id: 3, a: 1, c: 'z' }])
      await db.query(`DROP TABLE shop.${t}`)
      await said('Unable to subscribe to changes with given parameters.')
      await db.query(`INSERT INTO shop.${other} VALUES (1)`)
      await bystander.until(1)
      await client.removeAllChannels()
    })

    test('16 writers at once, in the order of their commits', async () => {
      const t = await table('n int PRIMARY KEY')
      await db.query(`CREATE TABLE shop.${t}_last (n int)`)
      await db.query(`INSERT INTO shop.${t}_last VALUES (0)`)
      const { got, until } = await follow(client, [{ event: 'INSERT', schema: 'shop', table: t }])
      const writers = await Promise.all(Array.from({ length: 16 }, async () => {
        const writer = new pg.Client()
        await writer.connect()
        return writer
      }))
      await Promise.all(writers.map(async (writer) => {
        for (let i = 0; i < 20; i++) {
          await writer.query(`WITH last AS (UPDATE shop.${t}_last SET n = n + 1 RETURNING n) INSERT INTO shop.${t} SELECT n FROM last`)
        }
        await writer.end()
      }))
      await until(320)
      assert.deepEqual(got.map((payload) => payload.new.n), Array.from({ length: 320 }, (_, n) => n + 1))
      await client.removeAllChannels()
    })
  })
}

dialects.forEach(changes)
