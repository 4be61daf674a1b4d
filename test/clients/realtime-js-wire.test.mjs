// clients/js/realtime.js with a server that does what the test wants: what a good
// server never does, or not when one looks.

import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import ws, { WebSocketServer } from 'ws'
import { createClient } from '../../clients/js/realtime.js'
import { patience, waitFor } from './support.mjs'

const { WebSocket = ws } = globalThis // Node 22 has its own
const servers = []
after(() => { for (const server of servers) server.close() })

// A server whose answers are functions of the body, by event; undefined is none.
// What clients say is kept in `said`, the latest socket in `socket`.
async function start (answers = {}, { pingInterval = 25000, pingTimeout = 20000, welcome = '40{"sid":"s"}' } = {}) {
  const listener = new WebSocketServer({ port: 0 })
  const server = { said: [], tokens: [], pongs: 0, connections: 0, welcome, socket: null, listener }
  servers.push(listener)
  server.emit = (event, body) => server.socket.send(`42${JSON.stringify([event, body])}`)
  server.bodies = (event) => server.said.filter(([name]) => name === event).map(([, body]) => body)
  listener.on('connection', (socket, request) => {
    server.url = request.url
    server.socket = socket
    server.connections++
    socket.send(`0${JSON.stringify({ sid: 'e', upgrades: [], pingInterval, pingTimeout, maxPayload: 1e6 })}`)
    socket.on('message', (data) => {
      const text = data.toString()
      const [, id, body] = /^42(\d*)(.*)$/s.exec(text) ?? []
      if (text === '3') server.pongs++
      if (text.startsWith('40')) {
        server.tokens.push(JSON.parse(text.slice(2)).token)
        socket.send(server.welcome)
      }
      if (body === undefined) return
      const [event, argument] = JSON.parse(body)
      server.said.push([event, argument])
      const answer = (answers[event] ?? server[event])?.(argument)
      if (answer !== undefined) socket.send(`43${id}${JSON.stringify([answer])}`)
    })
  })
  await waitFor(() => listener.address(), 'the port')
  server.baseUrl = `http://127.0.0.1:${listener.address().port}`
  return server
}

const subscribed = ({ channel }) => ({ ok: true, channel, presence: { members: [] }, cursor: 'c0' })
const ok = ({ channel }) => ({ ok: true, channel })
const member = (presenceId, payload) => ({ type: 'user', presenceId, joinedAt: '2026-01-01T00:00:00.000Z', payload })
const about = (channel, n, more = {}) => ({ n, meta: { channel, messageId: `m${n}`, senderType: 'system', timestamp: 't', cursor: `c${n}`, ...more } })

// A client with what it was told of.
const clients = []
function make (server, options = {}) {
  const client = createClient({ baseUrl: server.baseUrl, anonKey: 'anon', WebSocket, reconnectDelay: () => 5, presenceInterval: 20, ...options })
  const told = { connect: 0, disconnect: [], errors: [] }
  client.realtime
    .on('connect', () => { told.connect++ })
    .on('disconnect', (reason) => told.disconnect.push(reason))
    .on('error', (error) => told.errors.push(error))
  clients.push(client)
  return { client, realtime: client.realtime, told }
}
afterEach(() => { for (const client of clients.splice(0)) client.realtime.disconnect() })

describe('connecting', { timeout: patience * 2 }, () => {
  test('the endpoint and the token', async () => {
    const server = await start()
    const { realtime, told } = make(server, { baseUrl: `${server.baseUrl}/base/` })
    await realtime.connect()
    assert.equal(server.url, '/base/socket.io/?EIO=4&transport=websocket')
    assert.deepEqual(server.tokens, ['anon'])
    assert.equal(told.connect, 1)
    assert.equal(await realtime.connect(), undefined, 'a second call has nothing to do')
    assert.equal(server.connections, 1)
    server.socket.send('2')
    await waitFor(() => server.pongs === 1, 'the pong')
    realtime.disconnect()
    assert.deepEqual(told.disconnect, ['client disconnect'])
    await realtime.connect({ accessToken: 'mine' })
    assert.deepEqual(server.tokens, ['anon', 'mine'])
  })

  test('a token that is refused', async () => {
    const server = await start({}, { welcome: '44{"message":"Invalid token"}' })
    const { realtime, told } = make(server)
    await assert.rejects(realtime.connect(), { name: 'RealtimeError', code: 'AUTH_INVALID_CREDENTIALS', message: 'Invalid token' })
    assert.deepEqual(told, { connect: 0, disconnect: [], errors: [] })
    assert.equal(server.connections, 1, 'and no further attempt')
  })

  test('disconnect() before there is an answer', async () => {
    const server = await start()
    const { realtime } = make(server)
    const connecting = realtime.connect()
    realtime.disconnect()
    await assert.rejects(connecting, { code: 'DISCONNECTED' })
  })

  test('a server that comes later', async () => {
    const server = await start()
    const { port } = server.listener.address()
    await new Promise((resolve) => server.listener.close(resolve))
    const { realtime } = make(server)
    const connecting = realtime.connect()
    const listener = new WebSocketServer({ port })
    servers.push(listener)
    listener.on('connection', (socket) => {
      socket.send('0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
      socket.on('message', () => socket.send('40{"sid":"s"}'))
    })
    await connecting
  })

  test('a function is asked before each handshake', async () => {
    const server = await start()
    let asked = 0
    const { realtime, told } = make(server, { accessToken: async () => `token ${++asked}` })
    await realtime.connect()
    server.socket.terminate()
    await waitFor(() => told.connect === 2, 'the second connection')
    assert.deepEqual(server.tokens, ['token 1', 'token 2'])
    assert.deepEqual(told.disconnect, ['transport close'])

    // one that is refused, and one that fails: the next may be better
    server.welcome = '44{"message":"Invalid token","data":{"code":"AUTH_INVALID_CREDENTIALS","statusCode":401}}'
    server.socket.terminate()
    await waitFor(() => told.errors.length === 1, 'the error')
    server.welcome = '40{"sid":"s"}'
    await waitFor(() => told.connect === 3, 'the third connection')
    await realtime.setAccessToken(() => { throw new Error('no session') })
      .then(() => assert.fail('it should have failed'), ({ message }) => assert.equal(message, 'no session'))
    server.socket.terminate()
    await waitFor(() => told.errors.length === 2, 'the next error')
    assert.deepEqual(told.errors.slice(0, 2).map(({ code }) => code), ['AUTH_INVALID_CREDENTIALS', 'TOKEN_FAILED'])
  })

  test('a token that is refused later is told, and there is no further attempt', async () => {
    const server = await start()
    const { realtime, told } = make(server)
    await realtime.connect()
    server.welcome = '44{"message":"Invalid token"}'
    server.socket.terminate()
    await waitFor(() => told.errors.length === 1, 'the error')
    assert.equal(told.errors[0].code, 'AUTH_INVALID_CREDENTIALS')
    server.welcome = '40{"sid":"s"}'
    await realtime.connect()
    assert.equal(server.connections, 3)
  })

  test('a server that falls silent, says goodbye or speaks nonsense', async () => {
    const server = await start({}, { pingInterval: 60, pingTimeout: 60 })
    const { realtime, told } = make(server)
    await realtime.connect()
    await waitFor(() => told.connect === 2, 'another connection')
    server.socket.send('41')
    await waitFor(() => told.connect === 3, 'another connection')
    server.socket.send('42[')
    await waitFor(() => told.connect === 4, 'another connection')
    assert.deepEqual(told.disconnect.slice(0, 3), ['ping timeout', 'server disconnect', 'parse error'])
  })

  test('another token on the way', async () => {
    const server = await start({ 'realtime:auth': ({ token }) => token === 'good' ? { ok: true } : { ok: false, error: { code: 'AUTH_INVALID_CREDENTIALS', message: 'no' } } })
    const { realtime } = make(server)
    await realtime.connect()
    assert.deepEqual(await realtime.setAccessToken('good'), { error: null })
    assert.equal((await realtime.setAccessToken(() => 'bad')).error.code, 'AUTH_INVALID_CREDENTIALS')
  })
})

describe('channels', { timeout: patience * 2 }, () => {
  test('messages find their listeners', async () => {
    const server = await start({ 'realtime:subscribe': subscribed })
    const { realtime } = make(server)
    const heard = []
    const hear = (name) => (...values) => heard.push([name, ...values])
    realtime.channel('a').on('message', hear('message')).on('e', hear('e')).on('broadcast', hear('broadcast')).subscribe()
    const { ready } = realtime.channel('b').on('message', hear('b')).subscribe()
    await realtime.connect()
    assert.deepEqual(await ready, { error: null })
    assert.deepEqual(server.bodies('realtime:subscribe'), [{ channel: 'a', presence: false }, { channel: 'b', presence: false }])
    server.emit('e', about('a', 1, { senderId: 'u' }))
    server.emit('f', about('a', 2, { type: 'broadcast' }))
    server.emit('message', about('a', 3))
    server.emit('e', { payload: [4], meta: { ...about('b', 4).meta, wrapped: true } })
    server.emit('e', about('c', 5))
    server.emit('notification', { level: 'info' })
    await waitFor(() => heard.length === 5, 'the messages')
    const message = { type: 'message', event: 'e', channel: 'a', payload: { n: 1 }, senderId: 'u', timestamp: 't', id: 'm1', cursor: 'c1', replayed: false }
    assert.deepEqual(heard.slice(0, 2), [['message', { n: 1 }, message], ['e', { n: 1 }, message]])
    assert.deepEqual(heard.slice(2).map(([name, payload]) => [name, payload]), [['broadcast', { n: 2 }], ['message', { n: 3 }], ['b', [4]]])
  })

  test('parts of an application share a subscription', async () => {
    const server = await start()
    server['realtime:subscribe'] = subscribed
    const { realtime, told } = make(server)
    await realtime.connect()
    const heard = []
    const [one, two] = [1, 2].map((n) => realtime.channel('a').on('e', () => heard.push(n)).subscribe())
    await two.ready
    server.emit('e', about('a', 1))
    await waitFor(() => heard.length === 2, 'both to hear it')
    one.unsubscribe()
    one.unsubscribe()
    server.emit('e', about('a', 2))
    await waitFor(() => heard.length === 3, 'the other to hear it')
    two.unsubscribe()
    await waitFor(() => server.bodies('realtime:unsubscribe').length === 1, 'the server to be told')
    assert.deepEqual(heard, [1, 2, 2])
    assert.equal(server.bodies('realtime:subscribe').length, 1)

    // one that ends before it has begun
    server['realtime:subscribe'] = () => {}
    const three = realtime.channel('silent').subscribe()
    three.unsubscribe()
    assert.equal((await three.ready).error.code, 'SUBSCRIPTION_CANCELLED')

    // and is told so too late
    server['realtime:subscribe'] = ({ channel }) => ({ ok: false, channel, error: { code: 'REALTIME_UNAVAILABLE', message: 'Unsubscribed' } })
    realtime.channel('late').subscribe().unsubscribe()
    server['realtime:auth'] = () => ({ ok: true })
    await realtime.setAccessToken('another')
    assert.deepEqual(told.errors, [])
  })

  test('a listener that throws stops nothing', async () => {
    const server = await start({ 'realtime:subscribe': subscribed })
    const { realtime } = make(server)
    await realtime.connect()
    let heard = 0
    let reported
    const { queueMicrotask } = globalThis
    await realtime.channel('a').on('e', () => { throw new Error('mine') }).on('e', () => { heard++ }).subscribe().ready
    globalThis.queueMicrotask = (task) => { reported = task }
    server.emit('e', about('a', 1))
    await waitFor(() => heard === 1, 'the other listener')
    globalThis.queueMicrotask = queueMicrotask
    assert.throws(reported, { message: 'mine' })
  })

  test('send', async () => {
    const server = await start({ 'realtime:subscribe': ({ channel }) => channel === 'no' ? { ok: false, channel, error: { code: 'REALTIME_UNAUTHORIZED', message: 'no' } } : subscribed({ channel }) })
    const { realtime, told } = make(server)
    const message = { type: 'message', event: 'e', payload: { n: 1 } }
    assert.equal((await realtime.channel('a').send(message)).error.code, 'DISCONNECTED')
    await realtime.connect()
    server['realtime:publish'] = ok
    assert.deepEqual(await realtime.channel('a').send(message), { error: null })
    assert.deepEqual(server.bodies('realtime:publish'), [{ channel: 'a', ...message }])
    assert.equal(server.bodies('realtime:subscribe').length, 1)
    server['realtime:publish'] = () => ({ ok: false, error: { code: 'REALTIME_INVALID_EVENT', message: 'reserved' } })
    assert.equal((await realtime.channel('a').send(message)).error.message, 'reserved')
    assert.equal((await realtime.channel('no').send(message)).error.code, 'REALTIME_UNAUTHORIZED')
    assert.deepEqual(told.errors.map(({ code, channel }) => [code, channel]), [['REALTIME_UNAUTHORIZED', 'no']])

    // nobody knows whether the server has published it
    server['realtime:publish'] = () => server.socket.terminate()
    assert.equal((await realtime.channel('a').send(message)).error.code, 'DISCONNECTED')
  })

  test('a server that cannot decide is asked again', async () => {
    let asked = 0
    const server = await start({ 'realtime:subscribe': (body) => ++asked < 3 ? { ok: false, error: { code: 'REALTIME_UNAVAILABLE', message: 'later' } } : subscribed(body) })
    const { realtime, told } = make(server)
    await realtime.connect()
    assert.deepEqual(await realtime.channel('a').subscribe().ready, { error: null })
    assert.equal(told.errors.length, 2)
  })
})

describe('coming back', { timeout: patience * 2 }, () => {
  test('each channel goes on where it was', async () => {
    const server = await start()
    let recovered
    server['realtime:subscribe'] = ({ channel, resume }) => {
      // what comes in the same packet as the answer comes after it
      if (resume === 'c3') setImmediate(() => server.emit('e', about('a', 4, { replayed: true })))
      return { ...subscribed({ channel }), cursor: resume ?? 'c0', ...(resume && recovered) }
    }
    const { realtime, told } = make(server)
    await realtime.connect()
    const heard = []
    await realtime.channel('a').on('e', ({ n }, { replayed }) => heard.push([n, replayed])).subscribe().ready
    await realtime.channel('b').subscribe().ready
    for (const n of [1, 2, 3]) server.emit('e', about('a', n))
    server.emit('e', about('a', 3))
    await waitFor(() => heard.length === 3, 'the messages')
    recovered = { recovered: true }
    server.socket.terminate()
    await waitFor(() => heard.length === 4, 'what was missed')
    assert.deepEqual(server.bodies('realtime:subscribe').slice(2), [
      { channel: 'a', presence: false, resume: 'c3' }, { channel: 'b', presence: false, resume: 'c0' }])
    assert.deepEqual(heard, [[1, false], [2, false], [3, false], [4, true]])
    assert.deepEqual(told.errors, [])

    recovered = { recovered: false, reason: 'expired', cursor: 'c9' }
    server.socket.terminate()
    await waitFor(() => told.errors.length === 2, 'the errors')
    assert.deepEqual(told.errors.map(({ code, channel, reason }) => [code, channel, reason]),
      [['HISTORY_LOST', 'a', 'expired'], ['HISTORY_LOST', 'b', 'expired']])
    server.socket.terminate()
    await waitFor(() => server.bodies('realtime:subscribe').length === 8, 'another connection')
    assert.equal(server.bodies('realtime:subscribe')[6].resume, 'c9')
  })

  test('a page that is loaded again', async () => {
    const server = await start({ 'realtime:subscribe': subscribed })
    const { realtime } = make(server)
    await realtime.connect()
    await realtime.channel('a', { cursor: 'c7' }).subscribe().ready
    assert.equal(server.bodies('realtime:subscribe')[0].resume, 'c7')

    // a second subscription is a new one
    const channel = realtime.channel('b', { cursor: 'c8' })
    channel.subscribe().unsubscribe()
    await channel.subscribe().ready
    assert.deepEqual(server.bodies('realtime:subscribe').slice(1).map(({ resume }) => resume), ['c8', undefined])
  })

  test('a connection that breaks before the answer', async () => {
    const server = await start()
    server['realtime:subscribe'] = () => server.socket.terminate()
    const { realtime } = make(server)
    await realtime.connect()
    const { ready } = realtime.channel('a').subscribe()
    await waitFor(() => server.connections === 3, 'the third connection')
    server['realtime:subscribe'] = subscribed
    assert.deepEqual(await ready, { error: null })
  })
})

describe('presence', { timeout: patience * 2 }, () => {
  test('who is there', async () => {
    const server = await start()
    let members = [member('u1', { name: 'one' })]
    server['realtime:subscribe'] = (body) => ({ ...subscribed(body), presence: { members } })
    const { realtime } = make(server)
    await realtime.connect()
    const heard = []
    const channel = realtime.channel('a').on('presence', ({ type, key, presence }) => heard.push([type, key, presence]))
    await channel.subscribe().ready
    assert.deepEqual(channel.presenceState(), { u1: [{ name: 'one' }] })
    server.emit('presence:join', { member: member('u2'), meta: { channel: 'a' } })
    server.emit('presence:update', { member: member('u2', { name: 'two' }), meta: { channel: 'a' } })
    server.emit('presence:leave', { member: member('u1', { name: 'one' }), meta: { channel: 'a' } })
    await waitFor(() => heard.length === 5, 'the events')
    assert.deepEqual(heard.splice(0), [['join', 'u1', { name: 'one' }], ['sync', undefined, undefined],
      ['join', 'u2', {}], ['update', 'u2', { name: 'two' }], ['leave', 'u1', { name: 'one' }]])
    members = [member('u2', { name: 'two' }), member('u3')]
    server.socket.terminate()
    await waitFor(() => heard.length === 2, 'what has changed meanwhile')
    assert.deepEqual(heard.map(([type, key]) => [type, key]), [['join', 'u3'], ['sync', undefined]])
    assert.deepEqual(channel.presenceState(), { u2: [{ name: 'two' }], u3: [{}] })
  })

  test('track and untrack', async () => {
    const server = await start({
      'realtime:subscribe': subscribed,
      'realtime:track': ({ payload }) => ({ ok: true, member: member('me', payload) }),
      'realtime:untrack': ok
    })
    const { realtime, told } = make(server)
    const heard = []
    const channel = realtime.channel('a').on('presence', ({ type, key }) => heard.push([type, key]))
    await realtime.connect()
    // many in a row, as from a mouse: the last one counts
    const results = await Promise.all([1, 2, 3].map((x) => channel.track({ x })))
    assert.deepEqual(results, [{ error: null }, { error: null }, { error: null }])
    assert.deepEqual(server.bodies('realtime:track'), [{ channel: 'a', payload: { x: 3 } }])
    assert.deepEqual(channel.presenceState(), { me: [{ x: 3 }] })
    await channel.track({ x: 4 })
    assert.deepEqual(heard, [['sync', undefined], ['join', 'me'], ['update', 'me']])

    // the server forgets whose connection breaks, and is told again
    server.socket.terminate()
    await waitFor(() => server.bodies('realtime:track').length === 3, 'to be told again')
    assert.deepEqual(server.bodies('realtime:track')[2].payload, { x: 4 })
    await waitFor(() => heard.length === 6, 'the events')
    assert.deepEqual(heard.slice(3), [['leave', 'me'], ['sync', undefined], ['join', 'me']])
    assert.deepEqual(await channel.untrack(), { error: null })
    assert.deepEqual(channel.presenceState(), {})
    assert.deepEqual(await channel.untrack(), { error: null })
    assert.deepEqual(told.errors, [])
    assert.deepEqual(await realtime.channel('b').untrack(), { error: null }, 'where nothing is, there is nothing to do')
  })

  test('track before there is a connection', async () => {
    const server = await start({ 'realtime:subscribe': subscribed, 'realtime:track': ({ payload }) => ({ ok: true, member: member('me', payload) }) })
    const { realtime } = make(server)
    const channel = realtime.channel('a')
    assert.equal((await channel.track({ x: 1 })).error.code, 'DISCONNECTED')
    await realtime.connect()
    await waitFor(() => channel.presenceState().me, 'to be told with the connection')
    assert.deepEqual(server.bodies('realtime:track'), [{ channel: 'a', payload: { x: 1 } }])
  })
})
