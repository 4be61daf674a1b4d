// The service of the live chat: it hands out the pages and the visitors' tokens,
// and reads and writes the database for both.  What happens meanwhile the pages
// hear from the database server itself.
//
//	DATABASE_URL	the database, as the role chat_service
//	REALTIME_URL	where the pages connect to hear of changes
//	JWT_SECRET		what tokens are signed with
//	PORT			where to serve, on loopback

import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import { basename, extname } from 'node:path'
import { ChatDatabase } from './chat-database.mjs'
import { sign, verify } from './tokens.mjs'

const { DATABASE_URL, REALTIME_URL, JWT_SECRET, PORT } = process.env
const tokenSeconds = 7 * 24 * 3600
const maxBody = 64 * 1024
const database = new ChatDatabase(DATABASE_URL)

class Refusal extends Error {
  constructor (status, message) {
    super(message)
    this.status = status
  }
}

// What may be asked for: method, path and the answer.  Who may is a question for
// the database.
const api = [
  ['POST', /^\/api\/visitors$/, ({ claims }) => {
    // who has a token already stays the visitor that he was
    const anonymousId = claims?.anonymous_id ?? `anon_${randomUUID()}`
    return { token: sign({ role: 'anon', anonymous_id: anonymousId }, JWT_SECRET, tokenSeconds) }
  }],
  ['GET', /^\/api\/sessions$/, ({ claims }) => database.sessions(claims)],
  ['POST', /^\/api\/sessions$/, ({ claims }) => database.createSession(claims)],
  ['GET', /^\/api\/sessions\/([\w-]+)$/, ({ claims, id }) => database.session(claims, id)],
  ['POST', /^\/api\/sessions\/([\w-]+)\/messages$/, ({ claims, id, body }) => database.sendMessage(claims, id, body)],
  ['POST', /^\/api\/sessions\/([\w-]+)\/assign$/, ({ claims, id }) => database.assignSession(claims, id)],
  ['POST', /^\/api\/sessions\/([\w-]+)\/close$/, ({ claims, id }) => database.closeSession(claims, id)]
]

async function readBody (request) {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > maxBody) throw new Refusal(413, 'too long')
  }
  try {
    // a client that sends nothing has nothing to add
    return Object(JSON.parse(text || '{}'))
  } catch {
    throw new Refusal(400, 'not JSON')
  }
}

// The status of an error: of ours, or of the database by its SQLSTATE.
function statusOf ({ status, code = '' }) {
  if (status) return status
  if (code === '42501') return 403
  return /^2[23]/.test(code) ? 400 : 500
}

async function answerApi (request, path) {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '')
  const claims = verify(token, JWT_SECRET)
  for (const [method, pattern, answer] of api) {
    const match = pattern.exec(path)
    if (!match || method !== request.method) continue
    if (!claims && path !== '/api/visitors') throw new Refusal(401, 'a token is needed')
    const found = await answer({ claims, id: match[1], body: await readBody(request) })
    if (!found) throw new Refusal(404, 'there is none that you may see')
    return found
  }
  throw new Refusal(404, 'there is no such thing')
}

const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript', '.mjs': 'text/javascript' }
const names = { '/': 'customer.html', '/agent': 'agent.html' }

async function page (path) {
  const name = names[path] ?? basename(path)
  if (name === 'config.mjs') return [name, `export const realtimeUrl = ${JSON.stringify(REALTIME_URL)}\n`]
  const file = name === 'supabase.js'
    ? './node_modules/@supabase/supabase-js/dist/umd/supabase.js'
    : `./pages/${name}`
  try {
    return [name, await readFile(new URL(file, import.meta.url))]
  } catch {
    throw new Refusal(404, 'there is no such page')
  }
}

async function serve (request, response) {
  const [path] = request.url.split('?')
  try {
    if (path.startsWith('/api/')) {
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify(await answerApi(request, path)))
    } else {
      const [name, content] = await page(path)
      response.setHeader('Content-Type', `${types[extname(name)] ?? 'text/plain'}; charset=utf-8`)
      response.end(content)
    }
  } catch (error) {
    const status = statusOf(error)
    if (status === 500) console.error(error)
    response.writeHead(status, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ message: status === 500 ? 'something went wrong' : error.message }))
  }
}

http.createServer(serve).listen(Number(PORT), '127.0.0.1', () => console.log('The live chat is ready.'))
