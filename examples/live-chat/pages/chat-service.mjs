// What both pages ask of the service, and the connection over which they hear
// of changes: one for all channels.

import { realtimeUrl } from '/config.mjs'

const { createClient } = window.supabase

async function request (token, method, path, body) {
  const response = await fetch(path, {
    method,
    headers: { ...(token && { Authorization: `Bearer ${token}` }), 'Content-Type': 'application/json' },
    body: body && JSON.stringify(body)
  })
  const answer = await response.json()
  if (!response.ok) throw new Error(answer.message)
  return answer
}

// The token of an anonymous visitor, kept for the next visit.
export async function visitorToken () {
  const { token } = await request(localStorage.getItem('chat_token'), 'POST', '/api/visitors')
  localStorage.setItem('chat_token', token)
  return token
}

export class ChatService {
  #token

  constructor (token) {
    this.#token = token
    this.supabase = createClient(realtimeUrl, token, { auth: { persistSession: false } })
  }

  sessions () { return request(this.#token, 'GET', '/api/sessions') }
  session (id) { return request(this.#token, 'GET', `/api/sessions/${id}`) }
  createSession () { return request(this.#token, 'POST', '/api/sessions') }
  assignSession (id) { return request(this.#token, 'POST', `/api/sessions/${id}/assign`) }
  closeSession (id) { return request(this.#token, 'POST', `/api/sessions/${id}/close`) }
  sendMessage (id, message) { return request(this.#token, 'POST', `/api/sessions/${id}/messages`, message) }
}
