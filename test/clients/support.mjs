// What every client test needs: the server under test from the environment,
// the npm clients unmodified, a connection to the database, and waiting for
// conditions instead of for time.
//
//   REALTIME_URL                        http://127.0.0.1:<port>
//   REALTIME_JWT_SECRET                 what its tokens are signed with
//   PGHOST, PGPORT, PGDATABASE, PGUSER  of the same server

import { createHmac, randomUUID } from 'node:crypto'
import { readFileSync, readdirSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient as createClient2109 } from 'supabase-js-2-109'
import { createClient as createClient2119 } from 'supabase-js-2-119'
import pg from 'pg'
import { Socket } from 'phoenix'
import WebSocket from 'ws'

export const url = process.env.REALTIME_URL
export const patience = 20_000

// Every pair of client and serializer that the tests run with.
export const dialects = [
  ['2.119.0', createClient2119],
  ['2.109.0', createClient2109]
].flatMap(([version, createClient]) =>
  ['2.0.0', '1.0.0'].map((vsn) => ({
    name: `supabase-js ${version}, vsn ${vsn}`,
    vsn,
    // Node 20 has no WebSocket of its own, so the clients are given one.
    // `realtime` are options of the realtime client, `others` of createClient.
    connect: (realtime = {}, others = {}) =>
      createClient(url, anonKey, {
        auth: { persistSession: false, autoRefreshToken: false },
        realtime: { transport: WebSocket, vsn, ...realtime },
        ...others
      })
  }))
)

// A token as the auth server of a project would sign it.
export function token (claims) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ exp: 4_000_000_000, ...claims })}`
  return `${signed}.${createHmac('sha256', process.env.REALTIME_JWT_SECRET).update(signed).digest('base64url')}`
}

// The key that a Supabase project's pages are built with.
export const anonKey = token({ role: 'anon', iss: 'supabase', iat: 1_700_000_000 })

// A token of a signed-in user; each is another one, as an auth server's are.
let issued = 0
export const userToken = (user, claims = {}) =>
  token({ role: 'authenticated', sub: user, session: ++issued, ...claims })

// Options of createClient that take the place of the auth server: signing in,
// refreshing the token and signing out of this one user.
export function authServer (user) {
  const answer = (body) => new Response(JSON.stringify(body), { headers: { 'content-type': 'application/json' } })
  const session = () => ({
    access_token: userToken(user),
    token_type: 'bearer',
    expires_in: 3600,
    refresh_token: randomUUID(),
    user: { id: user, aud: 'authenticated', role: 'authenticated', email: 'user@example.com', app_metadata: {}, user_metadata: {} }
  })
  return {
    global: {
      fetch: async (request, init) => {
        const { pathname } = new URL(request)
        if (pathname === '/auth/v1/token') return answer(session())
        if (pathname === '/auth/v1/logout') return new Response(null, { status: 204 })
        return fetch(request, init)
      }
    }
  }
}

// Wait until condition() is true and return what it returned.
export async function waitFor (condition, what, timeout = patience) {
  const deadline = Date.now() + timeout
  for (;;) {
    const value = await condition()
    if (value) return value
    if (Date.now() > deadline) throw new Error(`timed out waiting for ${what}`)
    await sleep(5)
  }
}

// What the npm package phoenix is told with its option `decode`, because its own
// knows texts and not the binary frames of Supabase's 2.0.0: 4, then the lengths
// of topic, event and metadata, and 1 for a payload of JSON.
export function decode (data, callback) {
  if (typeof data === 'string') {
    const [joinRef, ref, topic, event, payload] = JSON.parse(data)
    callback({ join_ref: joinRef, ref, topic, event, payload })
    return
  }
  const [, topicLength, eventLength, metaLength, encoding] = new Uint8Array(data)
  let at = 5
  const bytes = (length = data.byteLength - at) => data.slice(at, at += length)
  const text = (length) => new TextDecoder().decode(bytes(length))
  const [topic, event, meta] = [text(topicLength), text(eventLength), text(metaLength)]
  const payload = encoding === 1 ? JSON.parse(text()) : bytes()
  callback({ join_ref: null, ref: null, topic, event: 'broadcast', payload: { type: 'broadcast', event, payload, ...(meta && { meta: JSON.parse(meta) }) } })
}

// A connected socket of the npm package phoenix, which has serializer 2.0.0 only.
export function phoenixSocket (options = {}) {
  const socket = new Socket(`${url.replace('http', 'ws')}/realtime/v1`,
    { transport: WebSocket, decode, ...options, params: { apikey: anonKey, ...options.params } })
  socket.connect()
  return socket
}

// A connection to the database.
export async function database () {
  const client = new pg.Client()
  await client.connect()
  return client
}

// Subscribe and wait for the first status among those wanted; resolves to
// [status, error].
export function subscribe (channel, wanted = ['SUBSCRIBED']) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${wanted} in time`)), patience)
    channel.subscribe((status, error) => {
      if (!wanted.includes(status)) return
      clearTimeout(timer)
      resolve([status, error])
    })
  })
}

// A channel that is subscribed and gathers its broadcasts in `.got`; with
// { private: true } a private one.
export async function listener (client, topic, event = '*', config = {}) {
  const channel = client.channel(topic, { config })
  const got = []
  channel.on('broadcast', { event }, (message) => got.push(message))
  await subscribe(channel)
  return { channel, got, until: (count) => waitFor(() => got.length >= count, `${count} messages`) }
}

// Close everything that a client holds open, its timers included.
export async function disconnect (client) {
  await client.removeAllChannels()
  client.realtime.disconnect()
}

// Process ids of the gateways: the hub's children of that name.
export async function gatewayPids (db) {
  const { rows } = await db.query("SELECT pid FROM pg_stat_activity WHERE backend_type = 'realtime hub'")
  return readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).map(Number).filter((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      const [, name, state, parent] = /\((.*)\) (\S) (\d+) /.exec(stat)
      return 'realtime_gateway'.startsWith(name) && state !== 'Z' && Number(parent) === rows[0]?.pid
    } catch {
      return false // it ended while we looked
    }
  })
}

// Kill the gateways, once they have run for so long that the hub starts others at
// once: those that end sooner it starts later each time.
export async function killGateways (db) {
  const healthyMs = 1100
  const age = (pid) => Date.now() - statSync(`/proc/${pid}`).ctimeMs
  let pids
  await waitFor(async () => {
    pids = await gatewayPids(db)
    return pids.length > 0 && pids.every((pid) => age(pid) > healthyMs)
  }, 'the gateways to have run for a while')
  for (const pid of pids) process.kill(pid, 'SIGKILL')
}
