// Listen to a channel with the unmodified supabase-js, and print what arrives.
//
//   node listen.mjs [--private] [topic] [count]
//
// REALTIME_URL is the server and REALTIME_KEY the key of the project, a token
// of the role anon.  REALTIME_TOKEN is the token of a user, for those who are
// one: policies on realtime.messages say which private channels are his.
// `make demo` prints all three.
//
// Ends after `count` messages; without it, at Ctrl-C.

import { createClient } from '@supabase/supabase-js'
import WebSocket from 'ws'

const args = process.argv.slice(2).filter((arg) => arg !== '--private')
const isPrivate = process.argv.includes('--private')
const url = process.env.REALTIME_URL ?? 'http://127.0.0.1:4000'
const key = process.env.REALTIME_KEY
const topic = args[0] ?? 'room:1'
const count = Number(args[1] ?? Infinity)

if (!key) {
  console.error('REALTIME_KEY is not set; make demo prints one')
  process.exit(2)
}

const supabase = createClient(url, key, {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: WebSocket } // Node has its own WebSocket since version 22
})
if (process.env.REALTIME_TOKEN) await supabase.realtime.setAuth(process.env.REALTIME_TOKEN)

let received = 0

const channel = supabase
  .channel(topic, { config: { private: isPrivate } })
  .on('broadcast', { event: '*' }, ({ event, payload }) => {
    console.log(`received ${event} ${JSON.stringify(payload)}`)
    if (++received >= count) leave(0)
  })
  .subscribe((status, error) => {
    if (status === 'SUBSCRIBED') console.log(`listening to ${topic} at ${url}`)
    else if (/Unauthorized/.test(error?.message)) {
      console.log(`refused ${error.message}`)
      leave(1)
    } else if (status !== 'CLOSED') console.error(`${status} ${error?.message ?? ''}`)
  })

async function leave (code) {
  await supabase.removeChannel(channel)
  await supabase.realtime.disconnect()
  process.exit(code) // the client leaves a timer of 10 s behind
}

process.on('SIGINT', () => leave(0))
