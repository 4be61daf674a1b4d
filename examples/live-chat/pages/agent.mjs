// The agent's side: the list of sessions and the conversation of one of them.
// The agent's token is behind the # of the address, where no server sees it; in
// an application it comes from whoever signs people in.

import { ChatService } from './chat-service.mjs'
import { Conversation } from './conversation.mjs'

const [list, view, title, messages, form, assign, close, status] =
  ['sessions', 'view', 'title', 'messages', 'form', 'assign', 'close', 'status'].map((id) => document.getElementById(id))

const chat = new ChatService(location.hash.slice(1))
let conversation

const nameOf = ({ user_id: user, anonymous_id: anonymous }) => `Visitor ${(user ?? anonymous).slice(-6)}`

function open (session) {
  conversation?.end()
  view.hidden = false
  title.textContent = nameOf(session)
  conversation = new Conversation(chat, session.id, {
    place: messages,
    side: 'agent',
    onSession: ({ status: state }) => {
      assign.disabled = state !== 'open'
      close.disabled = form.content.disabled = state === 'closed'
    },
    onConnected: () => {}
  })
  form.content.focus()
}

function showSessions (sessions) {
  list.replaceChildren(...sessions.map((session) => {
    const item = document.createElement('li')
    const button = item.appendChild(document.createElement('button'))
    button.append(nameOf(session))
    for (const [name, text] of [['state', session.status], ['unread', session.unread || '']]) {
      const badge = button.appendChild(document.createElement('span'))
      badge.className = `${name} ${session.status}`
      badge.textContent = text
    }
    button.addEventListener('click', () => open(session))
    return item
  }))
}

// Load the list; what changes while it is being loaded has it loaded once more.
let isLoading = false
let isStale = false
async function reload () {
  isStale = true
  if (isLoading) return
  isLoading = true
  try {
    while (isStale) {
      isStale = false
      showSessions(await chat.sessions())
    }
  } finally {
    isLoading = false
  }
}

// The list follows all sessions and messages: agents may see them.
chat.supabase
  .channel('dashboard')
  .on('postgres_changes', { event: '*', schema: 'public', table: 'chat_sessions' }, reload)
  .on('postgres_changes', { event: 'INSERT', schema: 'public', table: 'chat_messages' }, reload)
  .subscribe((state) => {
    const connected = state === 'SUBSCRIBED'
    status.textContent = connected ? 'connected' : 'connecting …'
    if (connected) reload()
  })

async function attempt (action) {
  try {
    await action()
  } catch (error) {
    status.textContent = error.message
  }
}

assign.addEventListener('click', () => attempt(() => chat.assignSession(conversation.sessionId)))
close.addEventListener('click', () => attempt(() => chat.closeSession(conversation.sessionId)))
form.addEventListener('submit', (event) => {
  event.preventDefault()
  const content = form.content.value
  form.content.value = ''
  attempt(() => conversation.send(content))
})
