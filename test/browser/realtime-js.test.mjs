// clients/js/realtime.js in a real browser: two pages that load it as a module from
// a web server, chat, see each other, and go on after the gateway was killed.
//
//	REALTIME_URL			of the server
//	TOKENS				of two users, with a space between them
//	USERS				their ids
//	GATEWAY_PID			its gateway, which is killed in the end

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { after, before, describe, test } from 'node:test'
import { chromium } from 'playwright-core'

const { REALTIME_URL, TOKENS, USERS, GATEWAY_PID } = process.env
const tokens = TOKENS.split(' ')
const users = USERS.split(' ')
const timeout = 20000
const html = `<!doctype html>
<title>chat</title>
<script type="module">
import { createClient } from './realtime.js'
window.heard = []
window.present = []
window.start = async (baseUrl, accessToken) => {
  window.client = createClient({ baseUrl, presenceInterval: 50 })
  window.connects = 0
  window.client.realtime.on('connect', () => { window.connects++ })
  await window.client.realtime.connect({ accessToken })
  window.room = window.client.realtime.channel('chat:browser')
    .on('message', ({ text }, { senderId }) => window.heard.push(senderId + ': ' + text))
    .on('presence', ({ type, key }) => window.present.push(type + ' ' + key))
  return window.room.subscribe().ready
}
window.say = (text) => window.room.send({ type: 'message', event: 'message.new', payload: { text } })
</script>`

let server, browser, one, two

// A page in a context of its own, connected.
async function open (token) {
  const page = await (await browser.newContext()).newPage()
  page.setDefaultTimeout(timeout)
  page.problems = []
  page.on('pageerror', (error) => page.problems.push(error.message))
  await page.goto(`http://127.0.0.1:${server.address().port}/`)
  await page.waitForFunction(() => window.start)
  assert.deepEqual(await page.evaluate(([url, token]) => window.start(url, token), [REALTIME_URL, token]), { error: null })
  return page
}

const say = async (page, text) => assert.deepEqual(await page.evaluate((text) => window.say(text), text), { error: null })
const hears = (page, count) => page.waitForFunction((count) => window.heard.length >= count, count)

before(async () => {
  const library = await readFile(new URL('../../clients/js/realtime.js', import.meta.url))
  server = createServer((request, response) => {
    const isModule = request.url === '/realtime.js'
    response.setHeader('Content-Type', isModule ? 'text/javascript' : 'text/html')
    response.end(isModule ? library : html)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
})
after(async () => {
  await browser?.close()
  server?.close()
})

describe('two pages', { timeout: 4 * timeout }, () => {
  test('chat', async () => {
    one = await open(tokens[0])
    two = await open(tokens[1])
    await say(one, 'hello')
    await say(two, 'good day')
    for (const page of [one, two]) {
      await hears(page, 2)
      assert.deepEqual(await page.evaluate(() => window.heard), [`${users[0]}: hello`, `${users[1]}: good day`])
    }
  })

  test('presence', async () => {
    const track = (page, name) => page.evaluate((name) => window.room.track({ name }), name)
    const sees = (page, state) => page.waitForFunction((state) => JSON.stringify(window.room.presenceState()) === state, JSON.stringify(state))
    assert.deepEqual(await track(one, 'One'), { error: null })
    await sees(two, { [users[0]]: [{ name: 'One' }] })
    assert.deepEqual(await track(two, 'Two'), { error: null })
    for (const page of [one, two]) await sees(page, { [users[0]]: [{ name: 'One' }], [users[1]]: [{ name: 'Two' }] })
    const third = await open(tokens[0])
    await sees(third, { [users[0]]: [{ name: 'One' }], [users[1]]: [{ name: 'Two' }] })
    await third.close()
  })

  test('the gateway is killed', async () => {
    process.kill(Number(GATEWAY_PID), 'SIGKILL')
    for (const page of [one, two]) await page.waitForFunction(() => window.connects === 2)
    await one.waitForFunction(() => Object.keys(window.room.presenceState()).length === 2)
    await two.waitForFunction(() => Object.keys(window.room.presenceState()).length === 2)
    await say(two, 'still there?')
    await say(one, 'yes')
    for (const page of [one, two]) {
      await hears(page, 4)
      assert.deepEqual((await page.evaluate(() => window.heard)).slice(2), [`${users[1]}: still there?`, `${users[0]}: yes`])
    }
  })

  test('a page is closed', async () => {
    await one.close()
    await two.waitForFunction((user) => window.present.at(-1) === `leave ${user}`, users[0])
    assert.deepEqual(Object.keys(await two.evaluate(() => window.room.presenceState())), [users[1]])
    assert.deepEqual(two.problems, [])
  })
})
