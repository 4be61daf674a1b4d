// A relay as one writes it with Node and ws: every binary message goes to all
// other clients as it came, texts are answered as joins.  Run beside the gateway
// by bench/run, with ws from test/clients.

import { createRequire } from 'node:module'

const { WebSocketServer } = createRequire(new URL('../test/clients/', import.meta.url))('ws')
const server = new WebSocketServer({ host: '127.0.0.1', port: 0 }, () => console.log(`port=${server.address().port}`))

server.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => {
    if (!isBinary) {
      const [joinRef, ref, topic] = JSON.parse(data)
      socket.send(JSON.stringify([joinRef, ref, topic, 'phx_reply', { status: 'ok', response: {} }]))
      return
    }
    for (const client of server.clients) {
      if (client !== socket && client.readyState === 1) client.send(data, { binary: true })
    }
  })
})
