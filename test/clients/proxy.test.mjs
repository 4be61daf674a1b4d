// What a proxy may get wrong, as an application sees it: the upgrade to a
// WebSocket, requests that wait for their answer, and answers that are passed on
// at once.  Run through nginx by 192_proxy.pl, and without it like all others.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, test } from 'node:test'
import { io } from 'socket.io-client'
import { database, dialects, disconnect, listener, patience, url, userToken, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

test('supabase-js', { timeout: patience * 2 }, async () => {
  const client = dialects[0].connect()
  const { got, until } = await listener(client, 'room:proxied')
  for (let n = 1; n <= 20; n++) {
    await db.query("SELECT realtime.send(jsonb_build_object('n', $1::int), 'e', 'room:proxied', false)", [n])
  }
  await until(20)
  assert.deepEqual(got.map(({ payload }) => payload.n), Array.from({ length: 20 }, (_, i) => i + 1))
  await disconnect(client)
})

for (const [name, options, ends] of [
  ['socket.io-client, which begins by polling', {}, 'websocket'],
  ['socket.io-client, polling alone', { transports: ['polling'] }, 'polling']
]) {
  test(name, { timeout: patience * 2 }, async () => {
    const channel = `chat:${randomUUID()}`
    const socket = io(url, { auth: { token: userToken(randomUUID()) }, forceNew: true, reconnection: false, ...options })
    const heard = []
    socket.on('said', ({ n }) => heard.push(n))
    await new Promise((resolve, reject) => { socket.once('connect', resolve); socket.once('connect_error', reject) })
    assert.equal((await socket.timeout(patience).emitWithAck('realtime:subscribe', { channel })).ok, true)
    await waitFor(() => socket.io.engine.transport.name === ends, ends)
    for (let n = 1; n <= 10; n++) {
      socket.emit('realtime:publish', { channel, event: 'said', payload: { n } })
      await waitFor(() => heard.length === n, `message ${n}`)
    }
    assert.deepEqual(heard, Array.from({ length: 10 }, (_, i) => i + 1))
    socket.disconnect()
  })
}
