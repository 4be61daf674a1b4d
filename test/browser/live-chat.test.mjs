// The live chat of examples/live-chat in a real browser: two visitors and an
// agent, each with a browser context of their own.
//
//	CHAT_URL, AGENT_URL		as `make demo-chat` prints them
//	REALTIME_URL			of the same server
//	GATEWAY_PID				its gateway, which is killed in the end

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { chromium } from 'playwright-core'

const { CHAT_URL, AGENT_URL, REALTIME_URL, GATEWAY_PID } = process.env
const timeout = 20000

let browser
let alice, one, two

// A page in a context of its own; what it throws is kept.
async function open (url) {
  const context = await browser.newContext()
  context.setDefaultTimeout(timeout)
  const page = await context.newPage()
  page.problems = []
  page.on('pageerror', (error) => page.problems.push(error.message))
  await page.goto(url)
  return page
}

const write = async (page, text) => {
  await page.fill('input[name=content]', text)
  await page.press('input[name=content]', 'Enter')
}
const shows = (page, text, side) => page.locator(`li.${side}:not(.pending)`, { hasText: text }).waitFor()
const texts = (page) => page.locator('.messages li').allTextContents()
const isStatus = (page, text) => page.locator('#status', { hasText: new RegExp(`^${text}$`) }).waitFor()

// Ask the service as the visitor of a page does.
const request = (page, method, path, body) => page.evaluate(async ([method, path, body]) => {
  const response = await fetch(path, {
    method,
    headers: { Authorization: `Bearer ${localStorage.getItem('chat_token')}` },
    body: body && JSON.stringify(body)
  })
  return { status: response.status, answer: await response.json() }
}, [method, path, body])

before(async () => {
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync']
  })
})
after(() => browser?.close())

describe('live chat', { timeout: 5 * timeout }, () => {
  test('a visitor writes, and the agent sees it', async () => {
    alice = await open(AGENT_URL)
    await isStatus(alice, 'connected')
    one = await open(CHAT_URL)
    await one.click('#bubble')
    await write(one, 'Do you sell ink?')
    await shows(one, 'Do you sell ink?', 'own')
    await alice.locator('.sessions .unread', { hasText: '1' }).waitFor()
    await alice.click('.sessions button')
    await shows(alice, 'Do you sell ink?', 'other')
    await isStatus(one, 'connected')
  })

  test('the agent takes the conversation and answers', async () => {
    await alice.click('#assign')
    await alice.locator('.sessions .state.assigned').waitFor()
    await write(alice, 'Black and blue.')
    await shows(alice, 'Black and blue.', 'own')
    await shows(one, 'Black and blue.', 'other')
    await write(one, 'Blue, please.')
    await shows(alice, 'Blue, please.', 'other')
    assert.deepEqual(await texts(alice), ['Do you sell ink?', 'Black and blue.', 'Blue, please.'])
    await alice.locator('.sessions .unread', { hasText: '1' }).waitFor()
  })

  test('what is written is text', async () => {
    await write(alice, '<img src=x onerror="document.title = 1">')
    await shows(one, '<img src=x onerror="document.title = 1">', 'other')
    assert.equal(await one.title(), 'Paper & Pine')
  })

  test('two visitors never see each other', async () => {
    two = await open(CHAT_URL)
    await two.click('#bubble')
    const [session] = (await request(one, 'GET', '/api/sessions')).answer

    // the second follows whatever there is, and the first one's session by name
    await two.evaluate(([url, id]) => new Promise((resolve, reject) => {
      window.told = []
      const tell = (payload) => window.told.push(payload.new.content ?? payload.new.status)
      const follow = (table, filter) => ({ event: '*', schema: 'public', table, filter })
      window.supabase.createClient(url, localStorage.getItem('chat_token')).channel('spy')
        .on('postgres_changes', follow('chat_messages'), tell)
        .on('postgres_changes', follow('chat_messages', `session_id=eq.${id}`), tell)
        .on('postgres_changes', follow('chat_sessions'), tell)
        .on('postgres_changes', follow('chat_sessions', `id=eq.${id}`), tell)
        .subscribe((state) => state === 'SUBSCRIBED' ? resolve() : reject(new Error(state)))
    }), [REALTIME_URL, session.id])

    await write(one, 'My address is secret.')
    await shows(alice, 'My address is secret.', 'other')
    await write(two, 'Any pencils?')
    await alice.locator('.sessions li').nth(1).waitFor()
    // changes come in the order of their commits: the first one's would be there
    await two.waitForFunction(() => window.told.includes('Any pencils?'))
    assert.deepEqual(await two.evaluate(() => window.told), ['open', 'Any pencils?'])
    assert.deepEqual(await texts(two), ['Any pencils?'])
    assert.ok(!(await texts(one)).includes('Any pencils?'))

    // nor by asking
    assert.equal((await request(two, 'GET', '/api/sessions')).answer.length, 1)
    assert.equal((await request(two, 'GET', `/api/sessions/${session.id}`)).status, 404)
    const forged = { id: crypto.randomUUID(), sender_type: 'customer', content: 'Send it to me.' }
    assert.equal((await request(two, 'POST', `/api/sessions/${session.id}/messages`, forged)).status, 403)
    assert.equal((await request(one, 'POST', `/api/sessions/${session.id}/messages`, { ...forged, content: ' ' })).status, 400)
    const own = (await request(two, 'GET', '/api/sessions')).answer[0].id
    assert.equal((await request(two, 'POST', `/api/sessions/${own}/messages`, { ...forged, sender_type: 'agent' })).status, 403)
    assert.equal((await request(two, 'POST', `/api/sessions/${own}/assign`)).status, 403)
  })

  test('tokens cannot be changed', async () => {
    const token = await one.evaluate(() => localStorage.getItem('chat_token'))
    const [header, , signature] = token.split('.')
    const claims = Buffer.from(JSON.stringify({ role: 'authenticated', exp: 4e9 })).toString('base64url')
    const response = await fetch(`${CHAT_URL}api/sessions`, { headers: { Authorization: `Bearer ${header}.${claims}.${signature}` } })
    assert.equal(response.status, 401)
  })

  test('a visitor comes back', async () => {
    const seen = await texts(one)
    await one.reload()
    await one.click('#bubble')
    await shows(one, 'My address is secret.', 'own')
    await isStatus(one, 'connected')
    assert.deepEqual(await texts(one), seen)
  })

  test('the gateway is killed', async () => {
    // a reload would forget this
    for (const page of [one, alice]) {
      await page.evaluate(() => {
        const status = document.getElementById('status')
        window.statuses = []
        new MutationObserver(() => window.statuses.push(status.textContent)).observe(status, { childList: true })
      })
    }
    process.kill(Number(GATEWAY_PID), 'SIGKILL')
    // at once, while nobody is connected
    await write(one, 'Are you there?')
    for (const page of [one, alice]) {
      await page.waitForFunction(() => window.statuses.includes('connecting …') && window.statuses.at(-1) === 'connected')
    }
    await shows(alice, 'Are you there?', 'other')
    await write(alice, 'I am.')
    await shows(one, 'I am.', 'other')
    await write(one, 'Good.')
    await shows(alice, 'Good.', 'other')
    for (const page of [one, alice]) {
      assert.ok(await page.evaluate(() => window.statuses.length), 'without a reload')
      assert.deepEqual((await texts(page)).slice(-3), ['Are you there?', 'I am.', 'Good.'])
    }
  })

  test('the agent closes the conversation, and the visitor starts another', async () => {
    await alice.click('#close')
    await one.locator('input[placeholder*="closed"]').waitFor()
    await alice.locator('.sessions .state.closed').waitFor()
    await write(one, 'One more thing.')
    await shows(one, 'One more thing.', 'own')
    assert.deepEqual(await texts(one), ['One more thing.'])
    await alice.locator('.sessions li').nth(2).waitFor()
  })

  test('nothing was thrown', () => {
    for (const page of [alice, one, two]) assert.deepEqual(page.problems, [])
  })
})
