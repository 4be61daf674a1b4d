// The messages of one session on the screen, on either side.

import { followSession } from './chat-realtime.mjs'

export class Conversation {
  #chat
  #list
  #side
  #messages = new Map()
  #stop
  #isOver = false

  // The messages go into the element `place`; side is 'customer' or 'agent'.
  // onSession hears of the state of the session, onConnected of that of the
  // connection, until end() is called.
  constructor (chat, sessionId, { place, side, onSession, onConnected }) {
    this.#chat = chat
    this.#side = side
    this.sessionId = sessionId
    this.#list = document.createElement('ol')
    place.replaceChildren(this.#list)
    this.#stop = followSession(chat.supabase, sessionId, {
      onNewMessage: (message) => this.#show(message),
      onSessionUpdate: onSession,
      onConnected: async (connected) => {
        if (connected) {
          const { messages, ...session } = await chat.session(sessionId)
          messages.forEach((message) => this.#show(message))
          if (!this.#isOver) onSession(session)
        }
        if (!this.#isOver) onConnected(connected)
      }
    })
  }

  end () {
    this.#isOver = true
    this.#stop()
  }

  // Show a message at once; it is taken back if it cannot be sent.
  async send (content) {
    const message = { id: crypto.randomUUID(), sender_type: this.#side, content }
    this.#show({ ...message, created_at: new Date().toISOString(), pending: true })
    try {
      this.#show(await this.#chat.sendMessage(this.sessionId, message))
    } catch (error) {
      this.#messages.get(message.id).remove()
      this.#messages.delete(message.id)
      throw error
    }
  }

  // A message may come more than once, as sent, as told and as loaded: its id
  // says that it is one.
  #show ({ id, sender_type: sender, content, created_at: createdAt, pending = false }) {
    const time = new Date(createdAt)
    const item = document.createElement('li')
    item.className = sender === this.#side ? 'own' : 'other'
    item.classList.toggle('pending', pending)
    item.textContent = content
    item.title = time.toLocaleString()
    item.dataset.time = time.getTime()
    this.#messages.get(id)?.remove()
    this.#messages.set(id, item)

    const next = [...this.#list.children].find((other) => Number(other.dataset.time) > time.getTime())
    this.#list.insertBefore(item, next ?? null)
    this.#list.scrollTop = this.#list.scrollHeight
  }
}
