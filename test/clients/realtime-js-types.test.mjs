// The types of clients/js/realtime.js: tsc accepts the examples of its README, and
// refuses what is wrong.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const directory = mkdtempSync(join(tmpdir(), 'realtime-types-'))
after(() => rmSync(directory, { recursive: true }))

const library = fileURLToPath(new URL('../../clients/js/realtime.js', import.meta.url))
const readme = readFileSync(new URL('../../clients/js/README.md', import.meta.url), 'utf8')
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc')

const blocks = [...readme.matchAll(/```[jt]s\n(.*?)```/gs)].map(([, code]) => code.replace(/^import .*\n/gm, ''))
const examples = `import type { Client, RealtimeMessage as Message, Subscription } from '${library}'
declare const client: Client, subscription: Subscription, userId: string
declare function fetchSession (): Promise<{ token: string }>
declare function showNotification (payload: { title: string }): void
declare function showMessage (payload: unknown): void
declare function renderCursors (users: Record<string, { cursor?: { x: number, y: number } }[]>): void
${blocks.map((code, n) => `async function example${n} () {\n${code}${code.includes('interface RealtimeMessage') ? 'const message: RealtimeMessage = {} as Message\n' : ''}}`).join('\n')}
`
const wrong = `const { realtime } = createClient({ baseUrl: 'http://localhost:4000' })
createClient({})
realtime.channel('a').send({ type: 'other', event: 'e' })
realtime.channel('a').send({ type: 'message' })
realtime.channel('a').on('presence', (event) => event.type === 'arrival')
realtime.on('connected', () => {})
realtime.channel('a').track('here')
const done: Promise<{ error: { code: string } | null }> = realtime.channel('a').send({ event: 'e' })
const users: { name: string }[] | undefined = realtime.channel('a').presenceState<{ name: string }>().alice
void [done, users]
`

// What tsc complains of, as file:line.
function complaints (sources) {
  const files = Object.entries(sources).map(([name, source]) => {
    writeFileSync(join(directory, name), `import { createClient } from '${library}'\n${source}`)
    return name
  })
  const { stdout } = spawnSync(process.execPath, [tsc, '--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext',
    '--moduleResolution', 'nodenext', '--lib', 'es2022,dom', ...files], { cwd: directory, encoding: 'utf8' })
  return stdout.split('\n').filter((line) => /^\S/.test(line)).map((line) => line.replace(/^(\S+)\((\d+),\d+\): error.*/, '$1:$2'))
}

test('the examples of the README are right, and what is wrong is not', () => {
  assert.match(examples, /as Message/)
  assert.deepEqual(complaints({ 'examples.mts': examples, 'wrong.mts': wrong }), [3, 4, 5, 6, 7, 8].map((line) => `wrong.mts:${line}`))
})
