// The gateways are killed and the hub is terminated under unmodified clients:
// they come back by themselves and hear again.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { database, dialects, disconnect, gatewayPids, listener, patience, userToken, waitFor } from './support.mjs'

let db
before(async () => { db = await database() })
after(async () => { await db.end() })

// A private room, its member and his token.
const user = randomUUID()
const secret = `room:${randomUUID()}`
const usersToken = userToken(user)
const accessToken = async () => usersToken

// Publish until the listener hears; a client that is away misses some.
async function hearsAgain (room, topic) {
  const had = room.got.length
  await waitFor(async () => {
    await db.query('SELECT realtime.send(\'{}\'::jsonb, \'again\', $1, $2)', [topic, topic === secret])
    return room.got.length > had
  }, `the client to hear ${topic} again`)
}

// End processes by the function, and wait until all gateways are others: from
// then on nothing is heard through the connections that were.
async function otherGatewaysAfter (end) {
  const before = await gatewayPids(db)
  await end(before)
  await waitFor(async () => {
    const now = await gatewayPids(db)
    return now.length === before.length && !now.some((pid) => before.includes(pid))
  }, 'other gateways')
}

describe('clients come back by themselves', { timeout: patience * 6 }, () => {
  const clients = dialects.map((dialect) => ({ name: dialect.name, client: dialect.connect({}, { accessToken }) }))

  before(async () => {
    await db.query('INSERT INTO room_members VALUES ($1, split_part($2, \':\', 2)::uuid)', [user, secret])
    for (const one of clients) {
      await one.client.realtime.setAuth()
      one.rooms = {
        'room:one': await listener(one.client, 'room:one'),
        'room:two': await listener(one.client, 'room:two'),
        [secret]: await listener(one.client, secret, '*', { private: true })
      }
    }
  })
  after(() => Promise.all(clients.map(({ client }) => disconnect(client))))

  // All channels of each client hear.
  async function allHear (t) {
    for (const { name, rooms } of clients) {
      await t.test(name, async () => {
        for (const [topic, room] of Object.entries(rooms)) {
          await hearsAgain(room, topic)
          assert.equal(room.channel.state, 'joined')
        }
      })
    }
  }

  test('to begin with, all hear', allHear)

  test('after the gateways are killed', async (t) => {
    await otherGatewaysAfter((pids) => pids.forEach((pid) => process.kill(pid, 'SIGKILL')))
    await allHear(t)
  })

  test('after the hub is terminated', async (t) => {
    await otherGatewaysAfter(() => db.query(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'realtime hub'"))
    await allHear(t)
  })
})
