// Set-up of the checks: a server, a browser, pages of other origins.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

export const MOUNT = '/id/api/v1'
export const API_TOKEN = 'sandbox-api-token'
export const SECRET = 'a secret of the browser checks, longer than 32 bytes'
// Profiles of the sandbox.
export const ADA = '6513270e-269e-4d37-b2a7-4de452e6b438'
export const GRACE = 'd23f0824-128b-4f33-8c5c-7fd0a6a3a450'

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
// With these flags the browser sends no requests of its own.
const QUIET = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** Runs the standalone server until `use` has finished with its origin. */
export async function withServer(flags, use) {
  const ours = ([name]) => !name.startsWith('OMNEO_') && name !== 'RUST_LOG'
  const env = Object.fromEntries(Object.entries(process.env).filter(ours))
  const server = spawn(process.env.STANDALONE, ['--listen', '127.0.0.1:0', '--sandbox', '--signing-key', SECRET, ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let log = ''
  server.stderr.on('data', (text) => (log += text))
  const ended = new Promise((resolve) => server.once('exit', resolve))
  try {
    const greeting = new Promise((resolve) => server.stdout.once('data', (text) => resolve(String(text))))
    const origin = /http:\/\/[\d.]+:\d+/.exec(await Promise.race([greeting, ended.then(() => '')]))?.[0]
    assert.ok(origin, `the server did not start: ${log}`)
    await use(origin)
  } finally {
    server.kill()
    await ended
  }
}

/** Runs a browser with an empty profile until `use` has finished with it. */
export async function withBrowser(use) {
  const profile = await mkdtemp(join(tmpdir(), 'omneo-id-browser-'))
  const context = await chromium.launchPersistentContext(profile, { executablePath: CHROMIUM, args: QUIET, timeout: 60_000 })
  try {
    await use(context.browser() ?? context)
  } finally {
    await context.close()
    await rm(profile, { recursive: true, force: true })
  }
}

/** Serves a page of another origin, with this script, until `use` has finished with the origin. */
export async function withOtherOrigin(script, use) {
  const server = createServer((request, response) => {
    const isScript = request.url === '/script.js'
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html' })
    response.end(isScript ? script : '<!doctype html><link rel="icon" href="data:,"><title>A shop</title><script src="/script.js"></script>')
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await use(`http://127.0.0.1:${server.address().port}`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

/** Mints an ID token, as the server of a shop does. */
export async function mint(origin, body) {
  const response = await fetch(`${origin}${MOUNT}/auth/token`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.equal(response.status, 200)
  return (await response.json()).data.token
}

/** A correctly signed token that expired two hours ago. */
export function expiredToken(pid) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) - 7200
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ pid, iat: exp - 3600, exp, jti: 'expired' })}`
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
}

/** Runs all checks one after another. Returns the errors of the failed ones by name. */
export async function runAll(checks) {
  const failed = new Map()
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check()
    } catch (error) {
      failed.set(name, error)
    }
  }
  return failed
}
