// An agent's widget: supabase-js with the anonymous key and the names of two
// channels, which the agent's backend had from SQL, and which it tells with one
// POST that there is something new.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { database, dialects, disconnect, listener, patience, subscribe, url, waitFor } from './support.mjs'

const endpoint = `${url}/functions/v1/realtime-publish`

// A new agent, with what its backend knows.
async function createAgent (db) {
  const { rows: [{ agent_id: id, api_key: apiKey }] } = await db.query('SELECT * FROM realtime.create_agent()')
  const one = async (sql, ...values) => Object.values((await db.query(sql, values)).rows[0])[0]

  return {
    id,
    apiKey,
    userChannel: (user) => one('SELECT realtime.user_channel($1, $2)', id, user),
    conversationChannel: (conversation) => one('SELECT realtime.conversation_channel($1, $2)', id, conversation),
    rotate: (grace) => one('SELECT realtime.rotate_signing_key($1, $2::interval)', id, grace),
    publish: (body) => post(body, { 'x-api-key': apiKey })
  }
}

// POST to the endpoint: [status, body].
async function post (body, headers = {}) {
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body)
  })
  return [answer.status, await answer.json()]
}

// A channel, with what the widget is told of it.
async function widget (client, name) {
  const channel = client.channel(name)
  const statuses = []
  const got = []
  channel.on('broadcast', { event: '*' }, (message) => got.push(message))
  channel.subscribe((status) => statuses.push(status))
  await waitFor(() => statuses.includes('SUBSCRIBED'), 'SUBSCRIBED')
  return { channel, statuses, got, until: (count) => waitFor(() => got.length >= count, `${count} messages`) }
}

function agentChannels (dialect) {
  describe(dialect.name, { concurrency: false, timeout: patience * 6 }, () => {
    let db, agent, client, names, user, conversation
    before(async () => {
      db = await database()
      agent = await createAgent(db)
      client = dialect.connect()
      user = `user_${randomUUID()}`
      conversation = randomUUID()
      names = [await agent.userChannel(user), await agent.conversationChannel(conversation)]
    })
    after(async () => {
      await disconnect(client)
      await db.end()
    })

    test('the names are made of ids and an HMAC', () => {
      const [list, thread] = names
      assert.match(list, new RegExp(`^agent-${agent.id}-user-${user}-[0-9a-f]{64}$`))
      assert.match(thread, new RegExp(`^conv-${conversation}-[0-9a-f]{64}$`))
    })

    test('one POST refreshes both channels', async () => {
      const list = await listener(client, names[0])
      const thread = await listener(client, names[1])
      assert.deepEqual(await agent.publish({ endUserId: user, conversationId: conversation }), [200, { ok: true, channels: names }])
      await Promise.all([list.until(1), thread.until(1)])
      assert.equal(list.got[0].event, 'refresh')
      assert.equal(list.got[0].payload.type, 'list')
      assert.equal(list.got[0].payload.endUserId, user)
      assert.equal(thread.got[0].event, 'refresh')
      assert.equal(thread.got[0].payload.type, 'thread')
      assert.equal(thread.got[0].payload.conversationId, conversation)
      assert.ok(Math.abs(Date.now() - Date.parse(thread.got[0].payload.at)) < 60_000)

      // with one id, one channel
      assert.deepEqual(await agent.publish({ conversationId: conversation, endUserId: null }), [200, { ok: true, channels: [names[1]] }])
      await thread.until(2)
      assert.deepEqual(await agent.publish({ endUserId: user }), [200, { ok: true, channels: [names[0]] }])
      await list.until(2)
      assert.equal(thread.got.length, 2)
      await client.removeAllChannels()
    })

    test('functions.invoke does the same', async () => {
      const thread = await listener(client, names[1])
      const { data, error } = await client.functions.invoke('realtime-publish', {
        headers: { 'x-api-key': agent.apiKey },
        body: { conversationId: conversation }
      })
      assert.equal(error, null)
      assert.deepEqual(data, { ok: true, channels: [names[1]] })
      await thread.until(1)
      await client.removeChannel(thread.channel)
    })

    test('so does SQL', async () => {
      const list = await listener(client, names[0])
      await db.query('BEGIN')
      await db.query('SELECT realtime.realtime_publish($1, end_user_id => $2)', [agent.id, user])
      assert.equal(list.got.length, 0, 'nothing before the commit')
      await db.query('COMMIT')
      await list.until(1)
      await client.removeChannel(list.channel)
    })

    test('200 means that it is committed', async () => {
      const [, { channels }] = await agent.publish({ conversationId: conversation })
      const { rows } = await db.query('SELECT count(*)::int AS n FROM realtime.messages WHERE topic = $1', [channels[0]])
      assert.ok(rows[0].n >= 1)
    })

    test('a name with another signature is refused', async () => {
      const [list, thread] = names
      const other = await createAgent(db)
      const bad = [
        list.replace(/[0-9a-f]$/, (digit) => digit === '0' ? '1' : '0'),
        thread.replace(/[0-9a-f]$/, (digit) => digit === '0' ? '1' : '0'),
        thread.slice(0, -1),
        `conv-${conversation}`,
        `conv-${randomUUID()}-${'0'.repeat(64)}`,
        `conv-${randomUUID()}${thread.slice(-65)}`,
        `agent-${agent.id}-user-somebody${list.slice(-65)}`,
        `agent-${randomUUID()}-user-${user}${list.slice(-65)}`,
        `agent-${other.id}-user-${user}${list.slice(-65)}`,
        thread.toUpperCase().replace(/^CONV/, 'conv')
      ]
      for (const name of bad) {
        const channel = client.channel(name)
        const [status, error] = await subscribe(channel, ['CHANNEL_ERROR', 'SUBSCRIBED'])
        assert.equal(status, 'CHANNEL_ERROR', name)
        assert.match(error.message, /Unauthorized: invalid channel signature/)
        await client.removeChannel(channel)
      }
    })

    test('a widget only listens', async () => {
      const one = await listener(client, names[1])
      const other = dialect.connect()
      const two = await listener(other, names[1])
      await one.channel.send({ type: 'broadcast', event: 'refresh', payload: { forged: true } })
      await agent.publish({ conversationId: conversation })
      await two.until(1)
      assert.deepEqual(two.got.map(({ payload }) => payload.forged), [undefined])
      await disconnect(other)
      await client.removeChannel(one.channel)
    })

    test('what the endpoint refuses', async () => {
      const key = { 'x-api-key': agent.apiKey }
      for (const [status, body, headers] of [
        [401, { conversationId: conversation }, {}],
        [401, { conversationId: conversation }, { 'x-api-key': 'rtk_unknown' }],
        [401, { conversationId: conversation }, { apikey: agent.apiKey, authorization: `Bearer ${agent.apiKey}` }],
        [400, {}, key],
        [400, [], key],
        [400, 'nonsense', key],
        [400, '', key],
        [400, { endUserId: 7 }, key],
        [400, { endUserId: '' }, key],
        [400, { conversationId: 'x'.repeat(129) }, key],
        [400, { endUserId: null, conversationId: null }, key],
        [413, { endUserId: 'x'.repeat(20_000) }, key]
      ]) {
        const [got, answer] = await post(body, headers)
        assert.equal(got, status, JSON.stringify(body).slice(0, 60))
        assert.equal(answer.ok, false)
        assert.equal(typeof answer.error, 'string')
      }
      const get = await fetch(endpoint, { headers: key })
      assert.equal(get.status, 405)
      assert.match(get.headers.get('allow'), /POST/)
    })

    test('browsers may ask from anywhere', async () => {
      const answer = await fetch(endpoint, {
        method: 'OPTIONS',
        headers: {
          origin: 'https://widget.example',
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization,x-client-info,apikey,x-api-key,content-type'
        }
      })
      assert.ok([200, 204].includes(answer.status))
      assert.ok(['*', 'https://widget.example'].includes(answer.headers.get('access-control-allow-origin')))
      const allowed = answer.headers.get('access-control-allow-headers').toLowerCase()
      for (const header of ['authorization', 'x-client-info', 'apikey', 'x-api-key', 'content-type']) {
        assert.ok(allowed.includes(header), header)
      }
    })

    test('a new signing key puts the widgets out, which come back by the new names', async () => {
      const other = await createAgent(db)
      const stays = await widget(client, await other.conversationChannel(conversation))
      const list = await widget(client, names[0])
      const thread = await widget(client, names[1])

      await agent.rotate('0')
      await waitFor(() => list.statuses.includes('CLOSED') && thread.statuses.includes('CLOSED'), 'CLOSED')
      assert.deepEqual(stays.statuses, ['SUBSCRIBED'], 'another agent is not touched')

      const [status, error] = await subscribe(client.channel(names[1]), ['CHANNEL_ERROR', 'SUBSCRIBED'])
      assert.equal(status, 'CHANNEL_ERROR')
      assert.match(error.message, /Unauthorized: invalid channel signature/)

      const old = names
      names = [await agent.userChannel(user), await agent.conversationChannel(conversation)]
      assert.notDeepEqual(names, old)
      const fresh = await widget(client, names[1])
      assert.deepEqual(await agent.publish({ endUserId: user, conversationId: conversation }), [200, { ok: true, channels: names }])
      await fresh.until(1)
      assert.equal(thread.got.length, 0)
      await client.removeAllChannels()
    })

    test('with a grace both names are good for a while', async () => {
      const old = names[1]
      const before = await widget(client, old)
      await agent.rotate('3 seconds')
      names = [await agent.userChannel(user), await agent.conversationChannel(conversation)]
      const since = await widget(client, names[1])
      assert.deepEqual(await agent.publish({ conversationId: conversation }), [200, { ok: true, channels: [names[1], old] }])
      await Promise.all([before.until(1), since.until(1)])
      assert.deepEqual(before.statuses, ['SUBSCRIBED'])

      await waitFor(() => before.statuses.includes('CLOSED'), 'the grace to be over')
      assert.deepEqual(await agent.publish({ conversationId: conversation }), [200, { ok: true, channels: [names[1]] }])
      await since.until(2)
      assert.equal(before.got.length, 1)
      assert.deepEqual(since.statuses, ['SUBSCRIBED'])
      await client.removeAllChannels()
    })

    test('an agent that is disabled has no channels', async () => {
      const gone = await createAgent(db)
      const thread = await widget(client, await gone.conversationChannel(conversation))
      await db.query('UPDATE realtime.agents SET enabled = false WHERE agent_id = $1', [gone.id])
      await waitFor(() => thread.statuses.includes('CLOSED'), 'CLOSED')
      assert.deepEqual(await gone.publish({ conversationId: conversation }), [403, { ok: false, error: 'agent is disabled' }])
    })
  })
}

describe('agent channels', { concurrency: true }, () => dialects.forEach(agentChannels))
