// What the checks stand on: a server, a browser, pages of other origins.
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
// Of the sandbox's seed.
export const ADA = '6513270e-269e-4d37-b2a7-4de452e6b438'
export const GRACE = 'd23f0824-128b-4f33-8c5c-7fd0a6a3a450'

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium'
// By these a browser asks nobody for anything on its own account.
const QUIET = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** Runs the standalone server while `use` does something with its origin. */
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
    assert.ok(origin, `no server came up: ${log}`)
    await use(origin)
  } finally {
    server.kill()
    await ended
  }
}

/** Runs a browser with an empty profile while `use` does something with it. */
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

/** Serves a page of another origin, with these scripts, while `use` does something with that origin. */
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

/** What a shop's server does. */
export async function mint(origin, body) {
  const response = await fetch(`${origin}${MOUNT}/auth/token`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.equal(response.status, 200)
  return (await response.json()).data.token
}

/** A token that this server has signed, some hours ago. */
export function expiredToken(pid) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const exp = Math.floor(Date.now() / 1000) - 7200
  const signed = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ pid, iat: exp - 3600, exp, jti: 'expired' })}`
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
}

/** Runs named checks one after the other, to the end; what failed is returned. */
export async function runAll(checks) {
  const failed = new Map()
  for (const [what, check] of Object.entries(checks)) {
    try {
      await check()
    } catch (error) {
      failed.set(what, error)
    }
  }
  return failed
}
