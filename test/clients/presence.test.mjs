// Presence, as a Supabase application uses it: who is online, with the
// unmodified client, its events and its presenceState().

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { database, dialects, disconnect, patience, subscribe, userToken, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

// A subscribed channel that gathers its presence events in `.events` and waits
// for a state: { key: [payloads] }, whatever the order of the payloads.
async function online (client, topic, presence = {}, config = {}) {
  const channel = client.channel(topic, { config: { presence, ...config } })
  const events = []
  channel
    .on('presence', { event: 'sync' }, () => events.push({ event: 'sync' }))
    .on('presence', { event: 'join' }, (e) => events.push(e))
    .on('presence', { event: 'leave' }, (e) => events.push(e))
  await subscribe(channel)
  const sorted = (payloads) => payloads.map((p) => JSON.stringify(p)).sort()
  const known = () => Object.fromEntries(Object.entries(channel.presenceState())
    .map(([key, metas]) => [key, sorted(metas.map(({ presence_ref: ref, ...payload }) => payload))]))
  const until = async (state) => {
    const wanted = Object.fromEntries(Object.entries(state).map(([key, payloads]) => [key, sorted(payloads)]))
    try {
      await waitFor(() => {
        try { assert.deepEqual(known(), wanted); return true } catch { return false }
      }, 'a state')
    } catch {
      assert.deepEqual(known(), wanted)
    }
  }
  const refs = (key) => (channel.presenceState()[key] ?? []).map((meta) => meta.presence_ref)
  return { channel, events, until, refs, of: (event) => events.filter((e) => e.event === event) }
}

// 2.109.0 takes the refs away from what it knows of a key when something joins
// under that key (presenceAdapter.js), and so never removes it from its state,
// whatever the server; its events are right.
const forgetsRefs = (dialect) => dialect.name.includes('2.109.0')

for (const dialect of dialects) {
  describe(dialect.name, { timeout: patience * 6 }, () => {
    let mine
    let theirs
    let n = 0
    const topic = () => `online:${dialect.name}:${++n}`
    before(() => { mine = dialect.connect(); theirs = dialect.connect() })
    after(async () => { await disconnect(mine); await disconnect(theirs) })

    test('track, presenceState, sync, join, leave, untrack', async () => {
      const room = topic()
      const a = await online(mine, room, { key: 'a' })
      await waitFor(() => a.of('sync').length === 1, 'the first sync')
      await a.until({})
      assert.equal(await a.channel.track({ user: 'ä', at: 1 }), 'ok')
      await a.until({ a: [{ user: 'ä', at: 1 }] })
      assert.equal(a.of('join').length, 1, 'the tracker gets a join of its own')
      assert.equal(a.of('join')[0].key, 'a')
      assert.deepEqual(a.of('join')[0].newPresences.map((p) => p.user), ['ä'])

      const b = await online(theirs, room, { key: 'b' })
      await b.until({ a: [{ user: 'ä', at: 1 }] })
      assert.deepEqual(b.refs('a'), a.refs('a'), 'both know it by the same ref')
      assert.equal(await b.channel.track({ user: 'b' }), 'ok')
      await a.until({ a: [{ user: 'ä', at: 1 }], b: [{ user: 'b' }] })
      await b.until({ a: [{ user: 'ä', at: 1 }], b: [{ user: 'b' }] })

      const syncs = b.of('sync').length
      assert.equal(await a.channel.untrack(), 'ok')
      await b.until({ b: [{ user: 'b' }] })
      assert.equal(b.of('leave').length, 1)
      assert.equal(b.of('leave')[0].key, 'a')
      assert.deepEqual(b.of('leave')[0].leftPresences.map((p) => p.user), ['ä'])
      await waitFor(() => b.of('sync').length === syncs + 1, 'a sync after the leave')
      await a.until({ b: [{ user: 'b' }] })
      assert.equal(await a.channel.track({ back: true }), 'ok')
      await b.until({ a: [{ back: true }], b: [{ user: 'b' }] })
    })

    test('tracking again replaces what was tracked', async () => {
      const room = topic()
      const a = await online(mine, room, { key: 'a' })
      const b = await online(theirs, room, { key: 'b' })
      await a.channel.track({ typing: false })
      await b.until({ a: [{ typing: false }] })
      const [ref] = b.refs('a')
      await a.channel.track({ typing: true })
      await waitFor(() => b.of('leave').length === 1, 'what was tracked first to leave')
      if (!forgetsRefs(dialect)) {
        await b.until({ a: [{ typing: true }] })
        await a.until({ a: [{ typing: true }] })
      }
      assert.notEqual(b.of('join')[1].newPresences[0].presence_ref, ref, 'by another ref')
      assert.deepEqual(b.of('join').map((e) => e.newPresences[0].typing), [false, true])
      assert.deepEqual(b.of('leave').map((e) => e.leftPresences[0].typing), [false])
    })

    test('two tabs with one key', async () => {
      const room = topic()
      const third = dialect.connect()
      const one = await online(mine, room, { key: 'user' })
      const two = await online(theirs, room, { key: 'user' })
      const other = await online(third, room, { key: 'other' })
      await one.channel.track({ tab: 1 })
      await two.channel.track({ tab: 2 })
      for (const view of [one, two, other]) {
        await view.until({ user: [{ tab: 1 }, { tab: 2 }] })
        assert.equal(new Set(view.refs('user')).size, 2, 'each has a ref of its own')
      }
      await mine.removeChannel(one.channel)
      await waitFor(() => other.of('leave').length === 1, 'one of them to leave')
      assert.deepEqual(other.of('leave').map((e) => e.leftPresences.map((p) => p.tab)), [[1]])
      if (!forgetsRefs(dialect)) {
        await other.until({ user: [{ tab: 2 }] })
        await two.until({ user: [{ tab: 2 }] })
      }
      await disconnect(third)
    })

    test('without a key everybody has one of his own', async () => {
      const room = topic()
      const a = await online(mine, room)
      const b = await online(theirs, room)
      await a.channel.track({ who: 'a' })
      await b.channel.track({ who: 'b' })
      await waitFor(() => Object.keys(a.channel.presenceState()).length === 2, 'two keys')
      for (const key of Object.keys(a.channel.presenceState())) assert.match(key, /^[0-9a-f-]{36}$/)
    })

    test('odd keys and payloads', async () => {
      const room = topic()
      const key = 'naïve ☃ "\\ \u{1f600}'
      const payload = { list: [1, { a: null }], text: '"\\\n\u2028', big: 'x'.repeat(100_000) }
      const a = await online(mine, room, { key })
      const b = await online(theirs, room, { key: 'b' })
      await a.channel.track(payload)
      await b.until({ [key]: [payload] })
      await a.until({ [key]: [payload] })
    })

    test('who goes is gone: unsubscribe, removeChannel, disconnect', async () => {
      const room = topic()
      const stays = await online(mine, room, { key: 'stays' })
      for (const go of ['unsubscribe', 'removeChannel', 'disconnect']) {
        const client = dialect.connect()
        const goes = await online(client, room, { key: 'goes' })
        await goes.channel.track({ go })
        await stays.until({ goes: [{ go }] })
        if (go === 'unsubscribe') await goes.channel.unsubscribe()
        else if (go === 'removeChannel') await client.removeChannel(goes.channel)
        else client.realtime.disconnect()
        await stays.until({})
        await disconnect(client)
      }
      assert.equal(stays.of('leave').length, 3)
    })

    test('tracks without listening', async () => {
      const room = topic()
      const b = await online(theirs, room, { key: 'b' })
      const channel = mine.channel(room, { config: { presence: { key: 'silent' } } })
      await subscribe(channel)
      assert.equal(await channel.track({ silent: true }), 'ok')
      await b.until({ silent: [{ silent: true }] })
      await mine.removeChannel(channel)
      await b.until({})
    })

    test('tracking begins to listen', async () => {
      const room = topic()
      const b = await online(theirs, room, { key: 'b' })
      await b.channel.track({ n: 1 })
      const channel = mine.channel(room, { config: { presence: { key: 'late' } } })
      await subscribe(channel)
      assert.deepEqual(channel.presenceState(), {})
      assert.equal(await channel.track({ n: 2 }), 'ok')
      await waitFor(() => ['b', 'late'].every((key) => channel.presenceState()[key]?.length === 1), 'both to be known')
      await mine.removeChannel(channel)
    })

    test('tracking the same again changes nothing', async () => {
      const room = topic()
      const a = await online(mine, room, { key: 'a' })
      const b = await online(theirs, room, { key: 'b' })
      await a.channel.track({ n: 1 })
      await b.until({ a: [{ n: 1 }] })
      const refs = b.refs('a')
      assert.equal(await a.channel.track({ n: 1 }), 'ok')
      assert.equal(await b.channel.track({ n: 2 }), 'ok')
      await b.until({ a: [{ n: 1 }], b: [{ n: 2 }] })
      assert.deepEqual(b.refs('a'), refs)
      assert.equal(b.of('leave').length, 0)
      assert.deepEqual(b.of('join').map((e) => e.key), ['a', 'b'])
    })

    test('tracking too often ends the channel, with the reason', async (t) => {
      const { rows: [{ limit }] } = await db.query("SELECT current_setting('realtime.max_presence_calls')::int AS limit")
      if (limit === 0) return t.skip('no limit is set')
      const channel = mine.channel(topic(), { config: { presence: { key: 'fast' } } })
      const told = []
      const statuses = []
      channel.on('system', {}, (message) => told.push(message.message))
      channel.subscribe((status) => statuses.push(status))
      await waitFor(() => statuses.includes('SUBSCRIBED'), 'SUBSCRIBED')
      for (let n = 0; n <= limit; n++) channel.track({ n })
      await waitFor(() => statuses.includes('CLOSED'), 'the channel to be closed')
      assert.deepEqual(told, ['Client presence rate limit exceeded'])
    })

    test('subscribes again after unsubscribing', async () => {
      const room = topic()
      const b = await online(theirs, room, { key: 'b' })
      for (let round = 1; round <= 3; round++) {
        const a = await online(mine, room, { key: 'a' })
        await a.until({})
        await a.channel.track({ round })
        await a.until({ a: [{ round }] })
        await b.until({ a: [{ round }] })
        await mine.removeChannel(a.channel)
        await b.until({})
      }
    })

    test('private channels: policies say who may track and who may hear', async () => {
      const [member, stranger, roomId] = [randomUUID(), randomUUID(), randomUUID()]
      const room = `room:${roomId}`
      await db.query('INSERT INTO room_members (user_id, room_id) VALUES ($1, $2)', [member, roomId])
      const [a, b, c] = [dialect.connect(), dialect.connect(), dialect.connect()]
      await a.realtime.setAuth(userToken(member))
      await b.realtime.setAuth(userToken(member))
      await c.realtime.setAuth(userToken(stranger))
      const first = await online(a, room, { key: 'first' }, { private: true })
      const second = await online(b, room, { key: 'second' }, { private: true })
      const publicly = await online(mine, room, { key: 'public' })
      assert.equal(await first.channel.track({ n: 1 }), 'ok')
      assert.equal(await second.channel.track({ n: 2 }), 'ok')
      assert.equal(await publicly.channel.track({ n: 3 }), 'ok')
      await first.until({ first: [{ n: 1 }], second: [{ n: 2 }] })
      await second.until({ first: [{ n: 1 }], second: [{ n: 2 }] })
      await publicly.until({ public: [{ n: 3 }] })

      const refused = c.channel(room, { config: { private: true } }).on('presence', { event: 'sync' }, () => {})
      const [status] = await subscribe(refused, ['CHANNEL_ERROR', 'SUBSCRIBED'])
      assert.equal(status, 'CHANNEL_ERROR')
      for (const client of [a, b, c]) await disconnect(client)
    })
  })
}
