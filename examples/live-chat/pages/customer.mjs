// The customer's side: a bubble that opens a window.  A visitor needs no account:
// a token names him, and it is the same on his next visit.

import { ChatService, visitorToken } from './chat-service.mjs'
import { Conversation } from './conversation.mjs'

const [chatWindow, bubble, messages, form, status] =
  ['window', 'bubble', 'messages', 'form', 'status'].map((id) => document.getElementById(id))

const chat = new ChatService(await visitorToken())
let conversation

function open (session) {
  conversation = new Conversation(chat, session.id, {
    place: messages,
    side: 'customer',
    onSession: ({ status: state }) => {
      form.content.placeholder = state === 'closed' ? 'This conversation is closed. Start another?' : 'Write a message'
      form.dataset.state = state
    },
    onConnected: (connected) => { status.textContent = connected ? 'connected' : 'connecting …' }
  })
}

// The conversation to write to: a new one if there is none or it is closed.
async function current () {
  if (!conversation || form.dataset.state === 'closed') {
    conversation?.end()
    open(await chat.createSession())
  }
  return conversation
}

bubble.addEventListener('click', () => {
  chatWindow.hidden = !chatWindow.hidden
  form.content.focus()
})

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const content = form.content.value
  form.content.value = ''
  try {
    await (await current()).send(content)
  } catch (error) {
    status.textContent = error.message
    form.content.value = content
  }
})

// Go on where the last visit ended.
const [last] = await chat.sessions()
if (last && last.status !== 'closed') open(last)
