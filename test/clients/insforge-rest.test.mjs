// /api/realtime as InsForge describes it: answers fit the schemas that its own
// packages share, refusals say what these schemas say, and the commands of its
// documentation run as they stand there.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import * as schemas from '@insforge/shared-schemas'
import { database, patience, token, url } from './support.mjs'

const run = promisify(execFile)
const admin = token({ role: 'project_admin' })

// Send a request; [status, body].
async function ask (method, path, body) {
  const response = await fetch(`${url}/api/realtime/${path}`, {
    method,
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body)
  })
  return [response.status, await response.json()]
}

// What a schema says of a value that it does not take, as InsForge's server puts it.
function faults (schema, value) {
  const { success, error } = schema.safeParse(value)
  return success ? null : error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join(', ')
}

// The same of every combination of one value for each member; undefined = it is not there.
function * combinations (members) {
  const [first, ...rest] = Object.keys(members)
  if (first === undefined) {
    yield {}
    return
  }
  const { [first]: values, ...others } = members
  for (const tail of combinations(rest.length > 0 ? others : {})) {
    for (const value of values) yield value === undefined ? { ...tail } : { [first]: value, ...tail }
  }
}

describe('InsForge REST', { timeout: patience * 6 }, () => {
  let db
  let channel
  const pattern = `rest-${randomUUID()}:%`
  const name = pattern.replace('%', 'room1')

  before(async () => { db = await database() })
  after(async () => {
    await db.query('DELETE FROM realtime.channels WHERE pattern IN ($1, $2)', [pattern, 'chat:*'])
    await db.end()
  })

  test('channels', async () => {
    const [created, made] = await ask('POST', 'channels', { pattern, webhookUrls: ['https://example.com/webhook'] })
    assert.equal(created, 201)
    channel = schemas.createChannelResponseSchema.parse(made)
    for (const [method, path, body, schema] of [
      ['GET', 'channels', undefined, schemas.listChannelsResponseSchema],
      ['GET', `channels/${channel.id}`, undefined, schemas.getChannelResponseSchema],
      ['PUT', `channels/${channel.id}`, { webhookUrls: [], description: 'x' }, schemas.updateChannelResponseSchema]
    ]) {
      const [status, answer] = await ask(method, path, body)
      assert.equal(status, 200)
      schema.parse(answer)
    }
  })

  test('messages, whatever their payload', async () => {
    const payloads = ['{"text":"Hello!"}', '{}', '[1,2]', '"text"', '7', 'null']
    for (const payload of payloads) {
      await db.query('SELECT realtime.publish($1, $2, $3::jsonb)', [name, 'message.new', payload])
    }
    const [status, list] = await ask('GET', `messages?channelId=${channel.id}`)
    assert.equal(status, 200)
    const messages = schemas.listMessagesResponseSchema.parse(list)
    assert.deepEqual(messages.map((message) => message.payload),
      [{ payload: null }, { payload: 7 }, { payload: 'text' }, { payload: [1, 2] }, {}, { text: 'Hello!' }])
    assert.deepEqual([messages[0].channelName, messages[0].eventName, messages[0].senderType], [name, 'message.new', 'system'])
  })

  test('statistics, permissions, configuration', async () => {
    const [, stats] = await ask('GET', `messages/stats?channelId=${channel.id}`)
    assert.equal(schemas.messageStatsResponseSchema.parse(stats).totalMessages, 6)
    schemas.realtimePermissionsResponseSchema.parse((await ask('GET', 'permissions'))[1])
    schemas.getRealtimeConfigResponseSchema.parse((await ask('GET', 'config'))[1])
  })

  test('errors', async () => {
    for (const [method, path, body] of [['GET', 'nothing'], ['GET', `channels/${randomUUID()}`], ['POST', 'channels', {}]]) {
      const [status, error] = await ask(method, path, body)
      assert.ok(schemas.ERROR_CODES[error.error] ?? Object.values(schemas.ERROR_CODES).includes(error.error), error.error)
      assert.deepEqual(Object.keys(error).sort(), ['error', 'message', 'statusCode'])
      assert.equal(error.statusCode, status)
    }
  })

  const texts = [undefined, null, '', 'x', 7, true, [], {}]
  const flags = [undefined, null, true, 'true', 0]
  const urls = [undefined, null, [], ['https://example.com'], ['x', 'http://x', 1, null], 'x']
  for (const [method, path, schema, members, isFine] of [
    ['POST', () => 'channels', schemas.createChannelRequestSchema, { pattern: texts, description: [undefined, 'x', null, 1], webhookUrls: urls, enabled: flags }],
    ['PUT', () => `channels/${channel.id}`, schemas.updateChannelRequestSchema, { pattern: texts, webhookUrls: urls, enabled: flags }],
    ['PATCH', () => 'config', schemas.updateRealtimeConfigRequestSchema, { retentionDays: [undefined, 0, -1, 1.5, -1.5, '7', true, {}] }],
    ['POST', () => 'publish', schemas.publishEventPayloadSchema, { channel: texts, event: texts, payload: [undefined, null, {}, [], 'x', 1] }]
  ]) {
    test(`what is refused by ${method} ${path.toString().split(/[`']/)[1]}`, async () => {
      for (const body of combinations(members)) {
        const expected = faults(schema, body)
        if (expected === null) continue
        const [status, error] = await ask(method, path(), body)
        assert.deepEqual([status, error.message], [400, expected], JSON.stringify(body))
      }
    })
  }

  test('parameters that are refused', async () => {
    const id = ['', 'x', '550e8400', randomUUID().toUpperCase(), undefined]
    const numbers = ['', ' ', '0', '1', '-1', '1000', '1001', '1.5', '.5', '1e3', '1e4', 'x', '1x', '+7', '7.', '-0.5', undefined]
    for (const [path, schema, members] of [
      ['messages', schemas.listMessagesRequestSchema, { channelId: id, limit: numbers, offset: ['-1', '0', 'x', '0.5', undefined] }],
      ['messages/stats', schemas.messageStatsRequestSchema, { channelId: id, since: ['x', '', '1700000000000', '2024-01-15', '2024-01-15T10:30:00Z', '2024-13-01', '2024', '2024-01', undefined] }]
    ]) {
      for (const query of combinations(members)) {
        const expected = faults(schema, query)
        const [status, answer] = await ask('GET', `${path}?${new URLSearchParams(query)}`)
        assert.deepEqual([status, answer.message], expected === null ? [200, undefined] : [400, expected], JSON.stringify(query))
      }
    }
  })

  // the documentation's commands, but for host and token
  const commands = {
    create: `curl -X POST https://your-app.region.insforge.app/api/realtime/channels \\
  -H "Authorization: Bearer YOUR_TOKEN" \\
  -H "Content-Type: application/json" \\
  -d '{
    "pattern": "chat:*",
    "description": "Chat room messages",
    "webhookUrls": ["https://example.com/webhook"],
    "enabled": true
  }'`,
    list: `curl https://your-app.region.insforge.app/api/realtime/channels \\
  -H "Authorization: Bearer YOUR_TOKEN"`,
    messages: `curl "https://your-app.region.insforge.app/api/realtime/messages?channelId=550e8400&limit=50" \\
  -H "Authorization: Bearer YOUR_TOKEN"`,
    stats: `curl "https://your-app.region.insforge.app/api/realtime/messages/stats?channelId=550e8400" \\
  -H "Authorization: Bearer YOUR_TOKEN"`,
    permissions: `curl https://your-app.region.insforge.app/api/realtime/permissions \\
  -H "Authorization: Bearer YOUR_TOKEN"`
  }
  const curl = async (command, change = (text) => text) => {
    const { stdout } = await run('sh', ['-c', change(command)
      .replaceAll('https://your-app.region.insforge.app', url).replaceAll('YOUR_TOKEN', admin).replace('curl', 'curl -s')])
    return JSON.parse(stdout)
  }

  test('the commands of the documentation', async (t) => {
    if (!await run('curl', ['--version']).catch(() => null)) return t.skip('there is no curl')
    const { id, createdAt, updatedAt, ...made } = schemas.createChannelResponseSchema.parse(await curl(commands.create))
    assert.deepEqual(made, {
      pattern: 'chat:*',
      description: 'Chat room messages',
      webhookUrls: ['https://example.com/webhook'],
      enabled: true
    })
    assert.ok(schemas.listChannelsResponseSchema.parse(await curl(commands.list)).some((listed) => listed.id === id))
    // an id of the documentation is the beginning of one
    for (const name of ['messages', 'stats']) assert.equal((await curl(commands[name])).message, 'channelId: Invalid uuid')
    const whole = (command) => command.replace('550e8400', id)
    // that no other test's channel takes the message
    const { rows: others } = await db.query(
      'UPDATE realtime.channels SET enabled = false WHERE enabled AND id <> $1 AND realtime.channel_matches(pattern, $2) RETURNING id', [id, 'chat:room1'])
    t.after(() => db.query('UPDATE realtime.channels SET enabled = true WHERE id = ANY ($1)', [others.map((other) => other.id)]))
    await db.query('SELECT realtime.publish($1, $2, $3)', ['chat:room1', 'message.new', { text: 'Hello!', userId: '123' }])
    const [message] = schemas.listMessagesResponseSchema.parse(await curl(commands.messages, whole))
    assert.deepEqual([message.eventName, message.channelId, message.channelName, message.payload],
      ['message.new', id, 'chat:room1', { text: 'Hello!', userId: '123' }])
    const stats = schemas.messageStatsResponseSchema.parse(await curl(commands.stats, whole))
    assert.deepEqual([stats.totalMessages, stats.topEvents], [1, [{ eventName: 'message.new', count: 1 }]])
    schemas.realtimePermissionsResponseSchema.parse(await curl(commands.permissions))
  })
})
