/** What went wrong. */
export declare class RealtimeError extends Error {
  /**
   * AUTH_INVALID_CREDENTIALS, TOKEN_FAILED (your function threw), CONNECTION_FAILED, DISCONNECTED,
   * TIMEOUT, SUBSCRIPTION_CANCELLED, HISTORY_LOST, REALTIME_UNAUTHORIZED, and what else the server says
   */
  code: string
  /** where, if it is about one channel */
  channel?: string
  /** why history is lost: expired, limit, epoch or diverged */
  reason?: string
}

/** A token, or a function that is asked for one before each handshake. */
export type AccessToken = string | null | (() => string | null | undefined | Promise<string | null | undefined>)

export interface ClientOptions {
  /** of the server, with http or https */
  baseUrl: string
  /** shown by those who have no access token */
  anonKey?: string
  accessToken?: AccessToken
  /** a WebSocket for runtimes without one, such as that of the package ws in Node 20 */
  WebSocket?: new (url: any) => any
  /** milliseconds between two updates of presence on a channel, 1000 by default; the latest one counts */
  presenceInterval?: number
  /** milliseconds to wait before an attempt, with how many have failed in a row */
  reconnectDelay?: (attempt: number) => number
}

export interface RealtimeMessage<Payload = any> {
  type: 'message' | 'broadcast'
  event: string
  channel: string
  payload: Payload
  /** the user who sent it; not there when it was the database or nobody who is known */
  senderId?: string
  /** ISO 8601 */
  timestamp: string
  id: string
  /** where a channel can go on from; not there if the message is stored nowhere */
  cursor?: string
  /** it was sent while this client was away */
  replayed: boolean
}

/** What a member shows of itself. */
export type Presence = Record<string, any>

export interface PresenceMember {
  presenceId: string
  type: 'user' | 'anonymous'
  /** ISO 8601 */
  joinedAt: string
  payload?: Presence
}

/** `sync` comes after each subscription, when everybody who is there is known. */
export type PresenceEvent =
  | { type: 'join' | 'update' | 'leave', key: string, presence: Presence, member: PresenceMember }
  | { type: 'sync', key?: undefined, presence?: undefined, member?: undefined }

export interface Result {
  error: RealtimeError | null
}

export interface Subscription {
  /** resolves when the server has accepted the subscription or refused it for good */
  ready: Promise<Result>
  unsubscribe (): void
}

export interface RealtimeChannel {
  readonly name: string
  on (what: 'presence', callback: (event: PresenceEvent) => void): this
  /** Listen to messages of this type or with this event. */
  on<Payload = any> (what: string, callback: (payload: Payload, message: RealtimeMessage<Payload>) => void): this
  subscribe (): Subscription
  unsubscribe (): void
  /** Publish. A channel that nobody has subscribed is subscribed by that. */
  send (message: { type?: 'message' | 'broadcast', event: string, payload?: any }): Promise<Result>
  /** Be shown to the others as this, instead of what was said before. Subscribes, too. */
  track (presence: Presence): Promise<Result>
  untrack (): Promise<Result>
  /** Who is there, by key. */
  presenceState<P extends Presence = Presence> (): Record<string, P[]>
}

export interface Realtime {
  readonly connected: boolean
  /**
   * Connect, and stay connected. Rejects with a RealtimeError if the token is refused, or if the
   * server cannot be reached within ten seconds; there are no further attempts then.
   */
  connect (options?: { accessToken?: AccessToken }): Promise<void>
  /** Close the connection. What is subscribed is subscribed again by the next connect(). */
  disconnect (): void
  /** Have another token of the same user, now and from now on. */
  setAccessToken (accessToken: AccessToken): Promise<Result>
  on (event: 'connect', callback: () => void): this
  on (event: 'disconnect', callback: (reason: string) => void): this
  on (event: 'error', callback: (error: RealtimeError) => void): this
  off (event: 'connect' | 'disconnect' | 'error', callback: (...values: any[]) => void): this
  /** A channel; `cursor` is where to go on from, instead of with what is new. */
  channel (name: string, options?: { cursor?: string | null }): RealtimeChannel
}

export interface Client {
  realtime: Realtime
}

export declare function createClient (options: ClientOptions): Client
