// Listen to a public channel with the unmodified supabase-js, and print what
// arrives.
//
//   REALTIME_URL=http://127.0.0.1:4000 node listen.mjs [topic] [count]
//
// Ends after `count` messages; without it, at Ctrl-C.

import { createClient } from '@supabase/supabase-js'
import WebSocket from 'ws'

const url = process.env.REALTIME_URL ?? 'http://127.0.0.1:4000'
const topic = process.argv[2] ?? 'room:1'
const count = Number(process.argv[3] ?? Infinity)

// Any JWT or name will do on public channels.
const supabase = createClient(url, 'anon', {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: WebSocket } // Node has its own WebSocket since version 22
})

let received = 0

const channel = supabase
  .channel(topic)
  .on('broadcast', { event: '*' }, ({ event, payload }) => {
    console.log(`received ${event} ${JSON.stringify(payload)}`)
    if (++received >= count) leave()
  })
  .subscribe((status, error) => {
    if (status === 'SUBSCRIBED') console.log(`listening to ${topic} at ${url}`)
    else if (status !== 'CLOSED') console.error(`${status} ${error?.message ?? ''}`)
  })

async function leave () {
  await supabase.removeChannel(channel)
  await supabase.realtime.disconnect()
  process.exit() // the client leaves a timer of 10 s behind
}

process.on('SIGINT', leave)
