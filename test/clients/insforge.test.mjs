// The SDK of InsForge, unmodified: connecting, channels, presence, coming back, and
// talking with supabase-js in one room.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { createClient } from '@insforge/sdk'
import { anonKey, database, dialects, disconnect, gatewayPids, listener, patience, token, url, userToken, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

const iso = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/
const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const room = () => `chat:${randomUUID()}`

// A client of one user, or with the public key; what it hears of events is kept.
const clients = []
function sdk (user, ...events) {
  const client = createClient({ baseUrl: url, anonKey })
  if (user) client.setAccessToken(userToken(user))
  const heard = { error: [], 'presence:join': [], 'presence:leave': [], disconnect: [], connect: [], connect_error: [] }
  for (const event of [...Object.keys(heard), ...events]) {
    heard[event] ??= []
    client.realtime.on(event, (message) => heard[event].push(message))
  }
  clients.push(client)
  return { client, realtime: client.realtime, heard }
}
after(() => { for (const client of clients) client.realtime.disconnect() })

describe('connecting', { timeout: patience }, () => {
  test('with the public key', async () => {
    const { realtime } = sdk()
    await realtime.connect()
    assert.equal(realtime.isConnected, true)
    assert.equal(realtime.connectionState, 'connected')
    assert.equal(realtime.socketId.length, 20)
  })

  test('as a user', async () => {
    const { realtime } = sdk(randomUUID())
    await realtime.connect()
    assert.equal(realtime.isConnected, true)
  })

  for (const [name, options, message] of [
    ['nothing', {}, 'No authentication provided'],
    ['a token that is none', { anonKey: 'nonsense' }, 'Invalid token'],
    ['an expired token', { anonKey: token({ role: 'anon', exp: 1 }) }, 'Invalid token'],
    ['a user without subject', { anonKey: token({ role: 'authenticated' }) }, 'Invalid token subject'],
    ['a key of nobody', { anonKey: `anon_${'0'.repeat(64)}` }, 'Invalid anon key'],
    ['half a key', { anonKey: 'anon_12' }, 'Invalid anon key']
  ]) {
    test(`with ${name}`, async () => {
      const client = createClient({ baseUrl: url, ...options })
      clients.push(client)
      await assert.rejects(client.realtime.connect(), (error) => {
        assert.equal(error.message, message)
        assert.deepEqual(error.data, { code: 'AUTH_INVALID_CREDENTIALS', statusCode: 401 })
        return true
      })
    })
  }

  test('with a key of the database', async () => {
    const { rows: [{ key }] } = await db.query('SELECT realtime.create_anon_key($1) AS key', ['sdk'])
    const client = createClient({ baseUrl: url, anonKey: key })
    clients.push(client)
    await client.realtime.connect()
    const answer = await client.realtime.subscribe(room())
    assert.equal(answer.presence.members[0].type, 'anonymous')
    assert.equal(answer.presence.members[0].presenceId, client.realtime.socketId)
  })

  test('to a namespace that there is not', async () => {
    const client = createClient({ baseUrl: `${url}/base`, anonKey })
    clients.push(client)
    await assert.rejects(client.realtime.connect(), { message: 'Invalid namespace' })
  })
})

describe('channels', { timeout: patience * 2 }, () => {
  test('publish reaches all, the sender as well, in order', async () => {
    const channel = room()
    const user = randomUUID()
    const one = sdk(user, 'said')
    const two = sdk(randomUUID(), 'said')
    const visitor = sdk(null, 'said')
    for (const { realtime } of [one, two, visitor]) assert.equal((await realtime.subscribe(channel)).ok, true)
    for (let n = 0; n < 100; n++) await one.realtime.publish(channel, 'said', { n, text: 'é☃' })
    for (const { heard } of [one, two, visitor]) {
      await waitFor(() => heard.said.length >= 100, 'all messages')
      assert.deepEqual(heard.said.map((m) => m.n), Array.from({ length: 100 }, (_, n) => n))
      for (const { meta, text } of heard.said) {
        assert.equal(text, 'é☃')
        assert.equal(meta.channel, channel)
        assert.equal(meta.senderType, 'user')
        assert.equal(meta.senderId, user)
        assert.match(meta.messageId, uuid)
        assert.match(meta.timestamp, iso)
      }
    }
    const { rows } = await db.query('SELECT count(*)::int AS n FROM realtime.messages WHERE channel_name = $1 AND sender_id = $2', [channel, user])
    assert.equal(rows[0].n, 100)
  })

  test('what the database publishes', async () => {
    const channel = room()
    const { realtime, heard } = sdk(randomUUID(), 'status_changed')
    await realtime.subscribe(channel)
    for (const payload of [{ id: 1, meta: 'mine' }, [1, 2], 'text', null]) {
      await db.query('SELECT realtime.publish($1, $2, $3::jsonb)', [channel, 'status_changed', JSON.stringify(payload)])
    }
    await waitFor(() => heard.status_changed.length >= 4, 'four messages')
    const [object, array, string, nothing] = heard.status_changed
    assert.equal(object.id, 1)
    assert.equal(object.meta.channel, channel, 'a member called meta gives way')
    assert.equal(object.meta.senderType, 'system')
    assert.equal('senderId' in object.meta, false)
    assert.deepEqual(array.payload, [1, 2])
    assert.equal(string.payload, 'text')
    assert.equal(nothing.payload, null)
  })

  test('a channel that there is not', async () => {
    const { realtime } = sdk(randomUUID())
    assert.deepEqual(await realtime.subscribe('nowhere:1'), {
      ok: false,
      channel: 'nowhere:1',
      error: { code: 'REALTIME_UNAUTHORIZED', message: 'Not authorized to subscribe to this channel' }
    })
  })

  test('publishing where one is not subscribed, may not, or under a reserved name', async () => {
    const { realtime, heard } = sdk(randomUUID())
    const channel = room()
    await realtime.connect()
    await realtime.publish(channel, 'said', {})
    await waitFor(() => heard.error.length >= 1, 'an error')
    assert.deepEqual(heard.error[0], {
      channel,
      code: 'REALTIME_NOT_SUBSCRIBED',
      message: 'Must subscribe to channel before publishing messages'
    })
    await realtime.subscribe(channel)
    await realtime.publish(channel, 'disconnect', {})
    await realtime.publish(channel, 'presence:join', {})
    await waitFor(() => heard.error.length >= 3, 'two more')
    assert.deepEqual(heard.error.slice(1).map(({ code }) => code), ['REALTIME_INVALID_EVENT', 'REALTIME_INVALID_EVENT'])
    await realtime.subscribe('read:only')
    await realtime.publish('read:only', 'said', {})
    await waitFor(() => heard.error.length >= 4, 'one more')
    assert.equal(heard.error[3].code, 'REALTIME_UNAUTHORIZED')
    assert.equal(realtime.isConnected, true)
  })

  test('unsubscribing', async () => {
    const channel = room()
    const { realtime, heard } = sdk(randomUUID(), 'said')
    const other = sdk(randomUUID(), 'said')
    await realtime.subscribe(channel)
    await other.realtime.subscribe(channel)
    realtime.unsubscribe(channel)
    await waitFor(() => other.heard['presence:leave'].length >= 1, 'the other one to be told')
    await other.realtime.publish(channel, 'said', {})
    await waitFor(() => other.heard.said.length >= 1, 'the message')
    assert.equal((await realtime.subscribe(channel)).ok, true)
    assert.equal(heard.said.length, 0)
  })
})

describe('presence', { timeout: patience * 2 }, () => {
  const ids = (members) => members.map(({ presenceId }) => presenceId).sort()

  test('members come and go', async () => {
    const channel = room()
    const [anna, bert] = [randomUUID(), randomUUID()]
    const one = sdk(anna)
    const first = await one.realtime.subscribe(channel)
    assert.deepEqual(ids(first.presence.members), [anna], 'the snapshot includes oneself')
    assert.match(first.presence.members[0].joinedAt, iso)
    assert.equal(first.presence.members[0].type, 'user')

    const tab = sdk(bert)
    assert.deepEqual(ids((await tab.realtime.subscribe(channel)).presence.members), [anna, bert].sort())
    await waitFor(() => one.heard['presence:join'].length >= 1, 'Anna to hear of Bert')
    assert.equal(one.heard['presence:join'][0].member.presenceId, bert)
    assert.equal(one.heard['presence:join'][0].meta.channel, channel)
    assert.deepEqual(ids(one.realtime.getPresenceState(channel)), [anna, bert].sort())

    // another tab of Bert's is no other member, and only the last one's end is a leave
    const tab2 = sdk(bert)
    assert.deepEqual(ids((await tab2.realtime.subscribe(channel)).presence.members), [anna, bert].sort())
    const visitor = sdk()
    const answer = await visitor.realtime.subscribe(channel)
    assert.deepEqual(ids(answer.presence.members), [anna, bert, visitor.realtime.socketId].sort())
    await waitFor(() => one.heard['presence:join'].length >= 2, 'Anna to hear of the visitor')
    assert.equal(one.heard['presence:join'][1].member.type, 'anonymous')
    tab.realtime.disconnect()
    visitor.realtime.disconnect()
    await waitFor(() => one.heard['presence:leave'].length >= 1, 'Anna to hear of the visitor again')
    assert.equal(one.heard['presence:leave'][0].member.type, 'anonymous')
    tab2.realtime.disconnect()
    await waitFor(() => one.heard['presence:leave'].length >= 2, 'Anna to hear of Bert again')
    assert.equal(one.heard['presence:leave'][1].member.presenceId, bert)
    assert.equal(one.heard['presence:join'].length, 2)
    assert.deepEqual(ids(one.realtime.getPresenceState(channel)), [anna])
    assert.deepEqual(tab2.heard['presence:join'].map(({ member }) => member.type), ['anonymous'], 'nobody is told of himself')
  })

  test('shared with supabase-js', async () => {
    const channel = room()
    const user = randomUUID()
    const member = sdk(user)
    await member.realtime.subscribe(channel)
    const supabase = dialects[0].connect({}, { accessToken: async () => userToken(user) })
    await supabase.realtime.setAuth()
    const { channel: other } = await listener(supabase, channel, '*', { private: true, presence: { key: 'from-supabase', enabled: true } })
    await waitFor(() => other.presenceState()[user], 'supabase-js to see the member')
    assert.equal(other.presenceState()[user][0].type, 'user')
    assert.equal(await other.track({ name: 'Su' }), 'ok')
    await waitFor(() => member.heard['presence:join'].length >= 1, 'the member to see supabase-js')
    const [{ member: seen }] = member.heard['presence:join']
    assert.equal(seen.presenceId, 'from-supabase')
    assert.deepEqual(seen.payload, { name: 'Su' })
    assert.equal(await other.untrack(), 'ok')
    await waitFor(() => member.heard['presence:leave'].length >= 1, 'the member to see it go')
    member.realtime.disconnect()
    await waitFor(() => !other.presenceState()[user], 'supabase-js to see the member go')
    await disconnect(supabase)
  })
})

describe('one room with supabase-js', { timeout: patience * 2 }, () => {
  for (const dialect of dialects) {
    test(dialect.name, async () => {
      const channel = room()
      const user = randomUUID()
      const member = sdk(user, 'said', 'bytes', 'disconnect')
      await member.realtime.subscribe(channel)
      const supabase = dialect.connect({}, { accessToken: async () => userToken(user) })
      await supabase.realtime.setAuth()
      const { channel: other, got, until } = await listener(supabase, channel, '*', { private: true, broadcast: { ack: true } })

      await member.realtime.publish(channel, 'said', { from: 'insforge' })
      await until(1)
      assert.equal(got[0].event, 'said')
      assert.deepEqual(got[0].payload, { from: 'insforge' })
      assert.match(got[0].meta.id, uuid)
      await waitFor(() => member.heard.said.length >= 1, 'its own message')
      assert.equal(member.heard.said[0].meta.messageId, got[0].meta.id)

      assert.equal(await other.send({ type: 'broadcast', event: 'disconnect', payload: {} }), 'ok')
      assert.equal(await other.send({ type: 'broadcast', event: 'said', payload: { from: 'supabase' } }), 'ok')
      await waitFor(() => member.heard.said.length >= 2, 'the broadcast')
      assert.equal(member.heard.said[1].from, 'supabase')
      assert.equal(member.heard.said[1].meta.channel, channel)
      assert.equal(member.heard.said[1].meta.senderType, 'user')
      assert.match(member.heard.said[1].meta.messageId, uuid)
      assert.deepEqual(member.heard.disconnect, [], 'a reserved name is not told')

      if (dialect.vsn === '2.0.0') {
        assert.equal(await other.send({ type: 'broadcast', event: 'bytes', payload: new Uint8Array([0, 1, 255]).buffer }), 'ok')
        await waitFor(() => member.heard.bytes.length >= 1, 'the bytes')
        assert.deepEqual([...member.heard.bytes[0].payload], [0, 1, 255])
      }
      await disconnect(supabase)
    })
  }
})

describe('coming back', { timeout: patience * 3 }, () => {
  test('after the gateways are killed', async () => {
    const channel = room()
    const { realtime, heard } = sdk(randomUUID(), 'said')
    await realtime.subscribe(channel)
    const killed = await gatewayPids(db)
    for (const pid of killed) process.kill(pid, 'SIGKILL')
    await waitFor(() => heard.disconnect.length >= 1, 'the end of the connection')
    assert.equal(heard.disconnect[0], 'transport close')
    await waitFor(() => realtime.isConnected && realtime.getSubscribedChannels().includes(channel), 'the channel again')
    await realtime.publish(channel, 'said', {})
    await waitFor(() => heard.said.length >= 1, 'a message')
  })

  test('after the hub is terminated', async () => {
    const channel = room()
    const { realtime, heard } = sdk(randomUUID(), 'said')
    await realtime.subscribe(channel)
    await db.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'realtime hub'")
    await waitFor(() => heard.disconnect.length >= 1, 'the end of the connection')
    await waitFor(() => realtime.isConnected && realtime.getSubscribedChannels().includes(channel), 'the channel again')
    await realtime.publish(channel, 'said', {})
    await waitFor(() => heard.said.length >= 1, 'a message')
  })

  test('as another user', async () => {
    const channel = room()
    const [before, now] = [randomUUID(), randomUUID()]
    const { client, realtime } = sdk(before)
    const watcher = sdk(randomUUID())
    await watcher.realtime.subscribe(channel)
    await realtime.subscribe(channel)
    client.setAccessToken(userToken(now))
    await waitFor(() => watcher.realtime.getPresenceState(channel).some(({ presenceId }) => presenceId === now), 'the other user')
    assert.equal(watcher.realtime.getPresenceState(channel).some(({ presenceId }) => presenceId === before), false)
  })
})
