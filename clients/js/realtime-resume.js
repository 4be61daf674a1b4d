/**
 * Channels that resume without a gap.
 *
 * A client that was away, for a second in a tunnel or over night, joins its
 * channels again by itself, but what was sent meanwhile it does not get. With
 * this its next join tells the server where it was, and everything that was
 * stored since comes first, once and in commit order, and then what is new.
 *
 *     import { createClient } from '@supabase/supabase-js'
 *     import { resumable } from './realtime-resume.js'
 *
 *     const room = resumable(createClient(url, key).channel('room:1'), {
 *       onLost: ({ reason }) => reloadEverything()
 *     })
 *     room.on('broadcast', { event: '*' }, (message) => show(message)).subscribe()
 *
 * The client stays as it is: realtime-js (supabase-js 2.x, both serializers) and
 * channels of the npm package phoenix will do, in browsers and in Node.
 *
 * What resumes is what the database sent (and what clients had stored): each such
 * message has a `meta.cursor`. Broadcasts from client to client that nobody
 * stored are not in any history.
 */

/**
 * Have a channel resume when it joins again. Call it before subscribe().
 *
 * @param {object} channel  of supabase-js or phoenix
 * @param {object} [options]
 * @param {string} [options.cursor]  where to go on from with the first join, as
 *   onCursor() told it before the page was loaded again; without it the channel
 *   begins with what is new
 * @param {(cursor: string) => void} [options.onCursor]  after each message, and
 *   with each answer to a join, the place that the channel has come to
 * @param {() => void} [options.onRecovered]  what was missed will come, before
 *   anything new
 * @param {(lost: {reason: string}) => void} [options.onLost]  it will not: the
 *   channel goes on with what is new, and the application should fetch what it
 *   shows. Reasons: 'expired' (past retention), 'limit' (more than the server
 *   hands out), 'epoch' and 'diverged' (the server's history is another one)
 * @returns {object} the channel
 */
export function resumable (channel, { cursor = null, onCursor, onRecovered, onLost } = {}) {
  // realtime-js keeps a Phoenix channel inside; its join is one push, sent again
  // with each attempt
  const push = channel.joinPush
  const phoenix = push?.channel
  if (!phoenix || phoenix.joinedOnce) {
    throw new Error('resumable() wants a channel that has not been subscribed yet')
  }

  let asked = false // a join with our cursor is not answered yet

  const moveTo = (place) => {
    if (!place || place === cursor) return
    cursor = place
    onCursor?.(place)
  }

  // The payload is made when the join is sent. It is looked at then, because
  // realtime-js puts another one in its place with each new token.
  const send = push.send
  push.send = function () {
    const payload = this.payload
    this.payload = () => withCursor(payload(), cursor)
    asked = cursor !== null
    try {
      return send.call(this)
    } finally {
      this.payload = payload
    }
  }

  push.receive('ok', ({ recovered, reason, cursor: place } = {}) => {
    asked = false
    moveTo(place)
    if (recovered === true) onRecovered?.()
    if (recovered === false) onLost?.({ reason })
  })

  // The cursor moves when the handlers have run. What comes between our join and
  // its answer is for an earlier join of this channel, and will come again.
  const trigger = phoenix.trigger
  phoenix.trigger = function (event, payload, ...refs) {
    const place = event === 'broadcast' ? payload?.meta?.cursor : undefined
    if (place && asked) return
    try {
      return trigger.call(this, event, payload, ...refs)
    } finally {
      moveTo(place)
    }
  }
  return channel
}

/**
 * The payload of a join that resumes. Asking for a replay as well would only
 * bring again what is known.
 */
function withCursor (payload, cursor) {
  if (cursor === null) return payload
  const { replay, ...broadcast } = payload.config?.broadcast ?? {}
  return { ...payload, config: { ...payload.config, broadcast: { ...broadcast, resume: cursor } } }
}
