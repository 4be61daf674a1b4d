/**
 * Channels over Socket.IO, without a gap.
 *
 *     const client = createClient({ baseUrl: 'https://example.com', anonKey: '…' })
 *     await client.realtime.connect()
 *     client.realtime.channel('chat:room1').on('message', (payload) => show(payload)).subscribe()
 *
 * A client has one WebSocket for all its channels. When it breaks, the client
 * connects again, subscribes again and says for each channel where it was: what
 * was stored meanwhile comes first, once and in commit order, and then what is
 * new. Where that cannot be, an error with the code HISTORY_LOST says so.
 *
 * README.md beside this is the guide, realtime.d.ts the reference.
 */

const ANSWER_MS = 10_000 // what the server may take to answer
const RECENT_IDS = 128 // of messages, that a channel remembers

// Answers to a subscription that would be the same a moment later.
const FINAL = new Set(['REALTIME_UNAUTHORIZED', 'INVALID_INPUT'])

/** What went wrong: a code for programs, a message for people, and where. */
export class RealtimeError extends Error {
  name = 'RealtimeError'

  constructor ({ message, ...more }) {
    super(message)
    Object.assign(this, more)
  }
}

/** Make a client. It connects when it is told to. */
export function createClient (options) {
  return { realtime: new Realtime(options) }
}

// What the server did not answer, as it would have answered.
const failure = (code, message) => ({ ok: false, error: { code, message } })

// An answer as applications get it.
const result = ({ ok, error }) => ({ error: ok ? null : new RealtimeError(error) })

// Call the application. What it throws is reported, and stops nothing here.
function tell (callback, ...values) {
  try {
    callback(...values)
  } catch (error) {
    queueMicrotask(() => { throw error })
  }
}

// 0.25-0.5 s, 0.5-1 s, … 2.5-5 s: who was thrown out together comes back apart.
const backOff = (attempt) => Math.min(5000, 500 * 2 ** attempt) * (0.5 + Math.random() / 2)

class Realtime {
  rooms = new Map() // what is subscribed, by the name of the channel
  connected = false
  #listeners = { connect: new Set(), disconnect: new Set(), error: new Set() }
  #wanted = null // since connect(): its promise, and whether it is still pending
  #socket = null
  #attempts = 0 // to connect, that failed in a row
  #retry // timer of the next one
  #silence // timer that ends when the server has been silent for too long
  #silenceMs = ANSWER_MS
  #calls = new Map() // what waits for an answer, by its id
  #lastCall = 0

  constructor (options) {
    this.options = { WebSocket: globalThis.WebSocket, presenceInterval: 1000, reconnectDelay: backOff, ...options }
  }

  connect ({ accessToken } = {}) {
    if (accessToken !== undefined) this.options.accessToken = accessToken
    if (this.#wanted) return this.#wanted.promise
    const wanted = this.#wanted = { pending: true }
    wanted.promise = new Promise((resolve, reject) => Object.assign(wanted, { resolve, reject }))
    wanted.timer = setTimeout(() => this.#giveUp({ code: 'CONNECTION_FAILED', message: 'The server cannot be reached' }), ANSWER_MS)
    this.#open()
    return wanted.promise
  }

  disconnect () { this.#giveUp({ code: 'DISCONNECTED', message: 'disconnect() was called' }) }

  async setAccessToken (accessToken) {
    this.options.accessToken = accessToken
    return this.connected ? result(await this.call('realtime:auth', await this.#credential())) : { error: null }
  }

  on (event, callback) {
    this.#listeners[event].add(callback)
    return this
  }

  off (event, callback) {
    this.#listeners[event].delete(callback)
    return this
  }

  channel (name, { cursor } = {}) { return new Channel(this, name, cursor) }

  // Ask the server; resolves to its answer or to a failure. `first` sees it before
  // anything that comes after it.
  call (event, body, first = () => {}) {
    const packet = JSON.stringify([event, body])
    const id = this.#lastCall++
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answer(id, failure('TIMEOUT', `No answer to ${event}`)), ANSWER_MS)
      this.#calls.set(id, { timer, done: (answer) => { first(answer); resolve(answer) } })
      if (this.connected) this.#socket.send(`42${id}${packet}`)
      else this.#answer(id, failure('DISCONNECTED', 'There is no connection'))
    })
  }

  // Tell the application of something that answers nothing it asked.
  emit (event, ...values) {
    for (const callback of [...this.#listeners[event]]) tell(callback, ...values)
  }

  #answer (id, answer) {
    const call = this.#calls.get(id)
    this.#calls.delete(id)
    clearTimeout(call?.timer)
    call?.done(answer)
  }

  async #credential () {
    const { accessToken, anonKey } = this.options
    const token = (typeof accessToken === 'function' ? await accessToken() : accessToken) ?? anonKey
    return token ? { token } : {}
  }

  // Open a connection. What an earlier one still brings is not listened to.
  #open () {
    const url = new URL('socket.io/?EIO=4&transport=websocket', this.options.baseUrl.replace(/\/*$/, '/'))
    url.protocol = url.protocol.replace('http', 'ws')
    const socket = this.#socket = new this.options.WebSocket(url)
    this.#hear()
    socket.onmessage = ({ data }) => { if (this.#socket === socket) this.#receive(data) }
    socket.onclose = () => { if (this.#socket === socket) this.#lost('transport close') }
    socket.onerror = () => {} // a close follows
  }

  // The server pings. If it has been silent for longer than it may be, the
  // connection is dead, whatever the operating system thinks of it.
  #hear () {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#lost('ping timeout'), this.#silenceMs)
  }

  #receive (data) {
    this.#hear()
    try {
      if (typeof data === 'string') this.#packet(data)
    } catch {
      this.#lost('parse error')
    }
  }

  // A packet of Engine.IO, and within its type 4 one of Socket.IO.
  #packet (packet) {
    const type = packet.slice(0, packet[0] === '4' ? 2 : 1)
    const body = packet.slice(type.length)
    if (type === '0') this.#greet(JSON.parse(body))
    else if (type === '2') this.#socket.send('3')
    else if (type === '40') this.#welcome()
    else if (type === '42') this.#event(...JSON.parse(body))
    else if (type === '43') this.#answer(parseInt(body), JSON.parse(body.slice(body.indexOf('[')))[0])
    else if (type === '44') this.#refused(JSON.parse(body))
    else if (type === '41' || type === '1') this.#lost('server disconnect')
  }

  // The connection is there: say who we are, with the token of this moment.
  async #greet ({ pingInterval, pingTimeout }) {
    const socket = this.#socket
    this.#silenceMs = pingInterval + pingTimeout
    try {
      const credential = await this.#credential()
      if (this.#socket === socket) socket.send(`40${JSON.stringify(credential)}`)
    } catch ({ message }) {
      if (this.#socket === socket) this.#refused({ message, data: { code: 'TOKEN_FAILED' } })
    }
  }

  #welcome () {
    this.connected = true
    this.#attempts = 0
    this.#wanted.pending = false
    clearTimeout(this.#wanted.timer)
    this.#wanted.resolve()
    for (const room of [...this.rooms.values()]) room.subscribe()
    this.emit('connect')
  }

  #event (event, body) {
    const room = this.rooms.get(body?.meta?.channel)
    if (event === 'realtime:error') this.emit('error', new RealtimeError(body))
    else if (/^presence:(join|update|leave)$/.test(event)) room?.presence(body.member, event === 'presence:leave')
    else room?.message(event, body)
  }

  // The token is no good, or there was none to be had. A function may have a
  // better one in a moment; anything else stays what it is.
  #refused ({ message, data }) {
    const error = { code: data?.code ?? 'AUTH_INVALID_CREDENTIALS', message }
    const { pending } = this.#wanted
    if (pending || typeof this.options.accessToken !== 'function') this.#giveUp(error)
    else this.#lost('refused')
    if (!pending) this.emit('error', new RealtimeError(error))
  }

  // Be disconnected and stay it. A connect() that is pending rejects.
  #giveUp (error) {
    const wanted = this.#wanted
    if (!wanted) return
    this.#wanted = null
    clearTimeout(wanted.timer)
    clearTimeout(this.#retry)
    this.#lost('client disconnect')
    wanted.reject(new RealtimeError(error))
  }

  // The connection is gone: whoever waits for an answer learns it, and there will
  // be another one if it is wanted.
  #lost (reason) {
    const socket = this.#socket
    const was = this.connected
    clearTimeout(this.#silence)
    this.#silenceMs = ANSWER_MS
    this.#socket = null
    this.connected = false
    socket?.close()
    if (this.#wanted) this.#retry = setTimeout(() => this.#open(), this.options.reconnectDelay(this.#attempts++))
    for (const id of [...this.#calls.keys()]) this.#answer(id, failure('DISCONNECTED', 'The connection broke before the answer came'))
    if (was) this.emit('disconnect', reason)
  }
}

// A channel as one part of an application has it: its listeners. What all of one
// name share is a room.
class Channel {
  #listeners = []

  constructor (realtime, name, cursor) {
    Object.assign(this, { realtime, name, cursor })
  }

  on (what, callback) {
    this.#listeners.push({ what, callback })
    return this
  }

  subscribe () {
    return { ready: this.#hold().subscribed.then(result), unsubscribe: () => this.unsubscribe() }
  }

  unsubscribe () { this.#room()?.release(this) }

  // The server wants who publishes to be subscribed.
  async send ({ type, event, payload = {} }) {
    return result(await (this.#room() ?? this.#hold()).say('realtime:publish', { type, event, payload }))
  }

  track (payload) { return this.#hold().track(payload) }

  async untrack () { return this.#room()?.track(undefined) ?? { error: null } }

  presenceState () {
    return Object.fromEntries([...this.#room()?.members ?? []].map(([key, { payload }]) => [key, [payload ?? {}]]))
  }

  // For the room: what listeners of these names are there for.
  heard (names, ...values) {
    for (const { what, callback } of [...this.#listeners]) if (names.includes(what)) tell(callback, ...values)
  }

  #room () { return this.realtime.rooms.get(this.name) }

  #hold () {
    const room = this.#room() ?? new Room(this.realtime, this.name, this.cursor)
    this.cursor = undefined
    room.holders.add(this)
    return room
  }
}

// What the channels of one name share: the subscription, the place in the stream
// of messages that it has come to, who is there, and what is told of ourselves.
class Room {
  holders = new Set() // channels that are subscribed
  members = new Map() // by presenceId
  subscribed // a promise of the server's answer, with this connection or a later one
  #settle // that promise
  #refusals = 0 // in a row
  #retry // timer of the next attempt
  #recent = new Set() // ids of the latest messages
  #payload // what track() was given last
  #self // the member that we are
  #telling = null // a promise: the latest payload will be told in a moment
  #toldAt = 0

  constructor (realtime, name, cursor) {
    Object.assign(this, { realtime, name, cursor })
    realtime.rooms.set(name, this)
    this.subscribe()
  }

  release (channel) {
    if (!this.holders.delete(channel) || this.holders.size > 0) return
    const cancelled = failure('SUBSCRIPTION_CANCELLED', 'The channel was unsubscribed')
    clearTimeout(this.#retry)
    this.#settle(cancelled)
    this.subscribed = Promise.resolve(cancelled)
    this.realtime.rooms.delete(this.name)
    this.realtime.call('realtime:unsubscribe', { channel: this.name })
  }

  subscribe () {
    const settle = this.#settle
    this.subscribed = new Promise((resolve) => { this.#settle = resolve })
    settle?.(this.subscribed) // who still waits for an answer waits for this one
    clearTimeout(this.#retry)
    this.realtime.call('realtime:subscribe', { channel: this.name, presence: false, resume: this.cursor ?? undefined },
      (answer) => this.#answered(answer))
  }

  #answered (answer) {
    const { ok, error, presence, cursor, recovered, reason } = answer
    if (error?.code === 'DISCONNECTED' || this.holders.size === 0) return
    if (!ok) this.#fail(error)
    if (ok || FINAL.has(error.code)) this.#settle(answer)
    else this.#retry = setTimeout(() => this.subscribe(), this.realtime.options.reconnectDelay(this.#refusals++))
    if (!ok) return
    this.#refusals = 0
    this.cursor = cursor ?? this.cursor
    if (recovered === false) this.#fail({ code: 'HISTORY_LOST', message: `What was missed cannot be told: ${reason}`, reason })
    this.#meet(presence.members)
    if (this.#payload !== undefined) this.track(this.#payload)
  }

  // Ask something that wants a subscription.
  async say (event, body) {
    const answer = this.realtime.connected ? await this.subscribed : failure('DISCONNECTED', 'There is no connection')
    return answer.ok ? this.realtime.call(event, { channel: this.name, ...body }) : answer
  }

  // A message. The cursor moves when the listeners have seen it.
  message (event, { meta, ...body }) {
    const { messageId: id, type = 'message', senderId, timestamp, cursor, replayed = false, wrapped } = meta
    if (this.#recent.has(id)) return
    if (this.#recent.add(id).size > RECENT_IDS) this.#recent.delete(this.#recent.values().next().value)
    const payload = wrapped ? body.payload : body
    this.#tell([type, event], payload, { type, event, channel: this.name, payload, senderId, timestamp, id, cursor, replayed })
    this.cursor = cursor ?? this.cursor
  }

  // Somebody came, went or changed.
  presence (member, leaves = false) {
    const { presenceId: key, payload: presence = {} } = member
    const type = leaves ? 'leave' : this.members.has(key) ? 'update' : 'join'
    if (!leaves) this.members.set(key, member)
    else if (!this.members.delete(key)) return
    this.#tell(['presence'], { type, key, presence, member })
  }

  // All who are there, after a subscription.
  #meet (members) {
    const here = new Set(members.map(({ presenceId }) => presenceId))
    for (const member of [...this.members.values()]) if (!here.has(member.presenceId)) this.presence(member, true)
    for (const member of members) {
      if (JSON.stringify(member) !== JSON.stringify(this.members.get(member.presenceId))) this.presence(member)
    }
    this.#tell(['presence'], { type: 'sync' })
  }

  // Tell of ourselves what was said last, not more often than presenceInterval
  // allows; undefined is nothing.
  track (payload) {
    this.#payload = payload
    this.#telling ??= this.#tellPayload()
    return this.#telling
  }

  async #tellPayload () {
    const wait = this.#toldAt + this.realtime.options.presenceInterval - Date.now()
    await new Promise((resolve) => setTimeout(resolve, wait))
    if (this.realtime.connected) await this.subscribed
    const payload = this.#payload
    this.#telling = null
    this.#toldAt = Date.now()
    const answer = await this.say(payload === undefined ? 'realtime:untrack' : 'realtime:track', { payload })
    const member = this.#self = answer.member ?? this.#self
    if (answer.ok && member) this.presence(member, payload === undefined)
    return result(answer)
  }

  #tell (names, ...values) { for (const channel of [...this.holders]) channel.heard(names, ...values) }

  #fail (error) { this.realtime.emit('error', new RealtimeError({ ...error, channel: this.name })) }
}
