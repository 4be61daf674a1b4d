// The exchange of supabase-js 2.119.0 with a Supabase server, frame by frame,
// as it was seen on the wire, with the parts that this server has: join,
// heartbeat, a message from the database in both serializers, leave, close.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import WebSocket from 'ws'
import { anonKey, database, patience, url, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

// Open a socket that gathers the frames it receives, as text or as hex.
async function open (path) {
  const socket = new WebSocket(url.replace('http', 'ws') + path)
  const frames = []
  let taken = 0
  socket.on('message', (data, binary) => frames.push(binary ? data : data.toString()))
  await new Promise((resolve, reject) => { socket.on('open', resolve); socket.on('error', reject) })
  return {
    socket,
    send: (text) => socket.send(text),
    next: async () => {
      await waitFor(() => frames.length > taken, 'a frame')
      return frames[taken++]
    },
    quiet: () => frames.length === taken
  }
}

const close = ({ socket }) => new Promise((resolve) => { socket.on('close', resolve); socket.close(1000) })
const json = async (peer) => JSON.parse(await peer.next())

// A cursor is ours, and nobody can foresee it: take it out of what has it.
const takeCursor = (object) => {
  const { cursor } = object
  assert.match(cursor, /^[-\w]{32}$/)
  delete object.cursor
  return cursor
}
const joinReply = async (peer, response) => {
  const reply = await json(peer)
  takeCursor(response(reply))
  return reply
}

describe('golden transcript', { timeout: patience * 3 }, () => {
  test('vsn 2.0.0', async () => {
    const peer = await open(`/realtime/v1/websocket?apikey=${anonKey}&vsn=2.0.0`)
    assert.equal(peer.socket.protocol, '', 'no sub-protocol')
    assert.equal(peer.socket.extensions, '', 'no extension')

    peer.send('["6","6","realtime:room","phx_join",{"config":{"broadcast":{"ack":true,"self":true},"presence":{"key":"k","enabled":false},"postgres_changes":[],"private":false}}]')
    assert.deepEqual(await joinReply(peer, (reply) => reply[4].response),
      ['6', '6', 'realtime:room', 'phx_reply', { status: 'ok', response: { postgres_changes: [] } }])

    peer.send('[null,"12","phoenix","heartbeat",{}]')
    assert.deepEqual(await json(peer), [null, '12', 'phoenix', 'phx_reply', { status: 'ok', response: {} }])

    // broadcast, kind 4: lengths of topic, event, metadata; encoding 1 = JSON
    const { rows } = await db.query(`INSERT INTO realtime.messages (topic, extension, event, payload)
      VALUES ('room', 'broadcast', 'e', '{"a": "é"}') RETURNING id`)
    const frame = await peer.next()
    const head = `{"id":"${rows[0].id}","cursor":"`
    const meta = frame.subarray(5 + 'realtime:roome'.length, 5 + 'realtime:roome'.length + head.length + 34).toString()
    assert.equal(meta.slice(0, head.length), head)
    takeCursor(JSON.parse(meta))
    assert.equal(frame.subarray(0, 5).toString('hex'), Buffer.from([4, 13, 1, meta.length, 1]).toString('hex'))
    assert.equal(frame.subarray(5).toString(), `realtime:roome${meta}{"a": "é"}`)

    peer.send('["6","14","realtime:room","phx_leave",{}]')
    assert.deepEqual(await json(peer), ['6', '14', 'realtime:room', 'phx_reply', { status: 'ok', response: {} }])
    assert.deepEqual(await json(peer), ['6', '6', 'realtime:room', 'phx_close', {}])

    peer.send('[null,"17","realtime:never-joined","phx_leave",{}]')
    const reply = await json(peer)
    assert.deepEqual(reply.slice(1), ['17', 'realtime:never-joined', 'phx_reply', { status: 'ok', response: {} }])
    assert.ok(peer.quiet())
    assert.equal(await close(peer), 1000)
  })

  test('vsn 1.0.0', async () => {
    const peer = await open(`/socket/websocket?apikey=${anonKey}&vsn=1.0.0`)

    peer.send('{"topic":"realtime:room","event":"phx_join","payload":{"config":{"broadcast":{"ack":false,"self":false},"presence":{"key":"","enabled":false},"postgres_changes":[],"private":false}},"ref":"6","join_ref":"6"}')
    assert.deepEqual(await joinReply(peer, (reply) => reply.payload.response), {
      topic: 'realtime:room', event: 'phx_reply', ref: '6', payload: { status: 'ok', response: { postgres_changes: [] } }
    })

    peer.send('{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"12"}')
    assert.deepEqual(await json(peer), { topic: 'phoenix', event: 'phx_reply', ref: '12', payload: { status: 'ok', response: {} } })

    const { rows } = await db.query(`INSERT INTO realtime.messages (topic, extension, event, payload)
      VALUES ('room', 'broadcast', 'e', '{"a": "é"}') RETURNING id`)
    const message = await json(peer)
    takeCursor(message.payload.meta)
    assert.deepEqual(message, {
      topic: 'realtime:room', event: 'broadcast', ref: null, payload: { event: 'e', payload: { a: 'é' }, type: 'broadcast', meta: { id: rows[0].id } }
    })

    peer.send('{"topic":"realtime:room","event":"phx_leave","payload":{},"ref":"14","join_ref":"6"}')
    assert.deepEqual(await json(peer), { topic: 'realtime:room', event: 'phx_reply', ref: '14', payload: { status: 'ok', response: {} } })
    assert.deepEqual(await json(peer), { topic: 'realtime:room', event: 'phx_close', ref: '6', payload: {} })
    assert.equal(await close(peer), 1000)
  })
})
