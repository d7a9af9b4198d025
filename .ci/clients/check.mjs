// Calls a standalone server like the published JavaScript clients. The browser SDK is the published
// package; the server-side SDK is not in a public registry, so its calls are reproduced here.
//
// Environment: ORIGIN, MOUNT, API_TOKEN, PROFILE_ID, IDENTITY_HANDLE, IDENTITY, KNOWN_EMAIL,
// PAGE (an allowed browser origin); UPSTREAM, if the tenant lists its requests at /seen.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { webcrypto } from 'node:crypto'

globalThis.crypto ??= webcrypto
const { default: ShapesSDK } = await import('./shapes.mjs')
const { ORIGIN, MOUNT, API_TOKEN, PROFILE_ID, IDENTITY_HANDLE, IDENTITY, KNOWN_EMAIL, PAGE, UPSTREAM } = process.env
const BASE = ORIGIN + MOUNT

// The browser SDK logs the content of its requests.
const say = console.log
console.log = () => {}

let checks = 0
async function check(name, test) {
  try {
    await test()
    checks += 1
  } catch (error) {
    console.error(`FAILED: ${name}`)
    throw error
  }
}

/**
 * The server-side SDK's own `call`: JSON content type on every method, no Accept, rejects with the
 * JSON of an error.
 */
async function call(token, method, endpoint, { params = {}, body } = {}) {
  const query = Object.keys(params).length && new URLSearchParams(params).toString()
  const response = await fetch(`${BASE}${endpoint}${query ? `?${query}` : ''}`, {
    method,
    headers: new Headers({ 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }),
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!response.ok) return Promise.reject(await response.json())
  try {
    return await response.json()
  } catch {
    return null
  }
}

const mint = async (body, token = API_TOKEN) => {
  const response = await fetch(`${BASE}/auth/token`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, ...(await response.json()) }
}

/** Reads the claims of a token without verification, as the SDKs do. */
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64').toString('utf-8'))

/** A request with exact headers; the response has its raw headers. */
const raw = (method, path, headers, body) =>
  new Promise((resolve, reject) => {
    const sent = request(ORIGIN + path, { method, headers }, async (response) => {
      let text = ''
      for await (const chunk of response) text += chunk
      const all = (name) => response.rawHeaders.filter((_, i, list) => i % 2 === 1 && list[i - 1].toLowerCase() === name)
      resolve({ status: response.statusCode, all, text })
    })
    sent.on('error', reject).end(body)
  })

let token, anonymous
await check('a token by profile id, by identity, anonymous', async () => {
  const { status, data } = await mint({ id: PROFILE_ID })
  assert.equal(status, 200)
  assert.equal(claims(data.token).pid, PROFILE_ID)
  assert.equal(claims(data.token).exp, data.exp)
  assert.ok(data.exp > Date.now() / 1000)
  token = data.token
  const byIdentity = await mint({ id: IDENTITY, id_handle: IDENTITY_HANDLE })
  assert.equal(claims(byIdentity.data.token).pid, PROFILE_ID)
  // The SDK sends an empty id for an anonymous token.
  anonymous = (await mint({ id: '' })).data.token
  assert.equal(claims(anonymous).pid, 'null')
  assert.equal(claims((await mint({})).data.token).pid, 'null')
})
await check('no token for an unknown identity, nor for an API token that the tenant rejects', async () => {
  const stranger = await mint({ id: 'unknown-identity', id_handle: IDENTITY_HANDLE })
  assert.deepEqual([stranger.status, stranger.data], [404, undefined])
  assert.equal((await mint({ id: PROFILE_ID }, 'not-the-token')).status, 401)
  assert.equal((await mint({ id: PROFILE_ID }, token)).status, 401)
})
await check('SDK: the profile, with a doubled slash and without', async () => {
  assert.equal((await call(token, 'get', '/profiles/me')).data.id, PROFILE_ID)
  assert.equal((await call(token, 'get', '//profiles/me')).data.id, PROFILE_ID)
  assert.ok((await call(token, 'get', '//profiles/me/identities')).data.length > 0)
})
await check('SDK: raw colons in a custom attribute', async () => {
  const [first] = (await call(token, 'get', '/profiles/me/attributes/custom')).data
  const path = `/profiles/me/attributes/custom/${first.namespace}:${first.handle}`
  assert.equal((await call(token, 'get', path)).data.handle, first.handle)
  const { type, value } = first
  assert.equal((await call(token, 'put', path, { body: { type, value } })).data.handle, first.handle)
})
await check('SDK: percent-encoded brackets of a query reach the tenant', async () => {
  const params = { 'filter[is_published]': 1, 'page[size]': 2 }
  const answer = await call(token, 'get', '/locations', { params })
  assert.ok(answer.data.length > 0 && answer.data.every((location) => location.is_published))
  assert.ok(answer.links && answer.meta)
  assert.equal((await call(token, 'get', `/locations/${answer.data[0].id}`)).data.id, answer.data[0].id)
})
await check('SDK: 201 with a body, then 204 without one', async () => {
  const body = { address_line_1: '1 Example Street', city: 'Melbourne', country: 'AU', postcode: '3000', type: 'home' }
  const { data } = await call(token, 'post', '/profiles/me/addresses', { body })
  assert.equal(await call(token, 'delete', `/profiles/me/addresses/${data.id}`), null)
})
await check('SDK: comms are read, changed, read again', async () => {
  const path = '/profiles/me/attributes/comms'
  await call(token, 'put', path, { body: { email_promo: false } })
  assert.equal((await call(token, 'get', path)).data.email_promo, false)
})
await check('SDK: errors are rejected with JSON', async () => {
  for (const [bearer, path] of [[anonymous, '/profiles/me'], [token, '/profiles/me/no-such-thing'], [token, '/nothing'], ['no.good.token', '/profiles/me']]) {
    await assert.rejects(call(bearer, 'get', path), ({ message }) => typeof message === 'string')
  }
})
await check('a sign-up has the same answer for known and new addresses', async () => {
  const headers = { authorization: `Bearer ${anonymous}`, 'content-type': 'application/json' }
  const comms = { attributes: { comms: { email_promo: true } } }
  const signUp = (email) => raw('POST', `${MOUNT}/profiles`, headers, JSON.stringify({ email, ...comms }))
  const known = await signUp(KNOWN_EMAIL)
  const unknown = await signUp(`new.${Date.now()}@example.com`)
  assert.deepEqual([known.status, known.text], [200, unknown.text])
  assert.equal(unknown.status, 200)
  assert.equal((await call(token, 'get', '/profiles/me/attributes/comms')).data.email_promo, true)
})

await check('shapes: reads, writes and stores its state', async () => {
  const shapes = ShapesSDK.init({ url: BASE.replace(/\/api\/v1$/, ''), token, isPrivate: true })
  assert.ok(shapes.ready, 'the SDK accepts the token')
  assert.equal((await shapes.get('profile')).body.data.id, PROFILE_ID)
  for (const resource of ['aggregations', 'balances', 'benefits', 'identities', 'lists', 'rewards', 'transactions']) {
    assert.equal((await shapes.get(resource, false, true)).status, 200, resource)
    assert.equal(shapes.find(resource).error, false, resource)
  }
  assert.equal((await shapes.get('transactions', { 'page[size]': 1 })).status, 200)
  assert.equal((await shapes.get('lists.wishlist')).body.data.handle, 'wishlist')
  assert.ok(typeof shapes.find('balances').data.combined_balance_dollars === 'number')
  assert.equal((await shapes.put('profile', { first_name: 'Ada' })).body.data.first_name, 'Ada')
  const address = { address_line_1: '2 Example Street', city: 'Melbourne', country: 'AU', postcode: '3000', type: 'home' }
  const { body } = await shapes.post('addresses', address)
  assert.equal((await shapes.delete(`addresses.${body.data.id}`)).status, 204)
  // A fault of this SDK: it requests /profiles/meprofile/name.
  await assert.rejects(shapes.get('profile.name'), ({ status }) => status === 404)
})
await check('shapes: accepts an anonymous token, and gets 404 for its profile', async () => {
  const shapes = ShapesSDK.init({ url: BASE.replace(/\/api\/v1$/, ''), token: anonymous, isPrivate: true })
  assert.ok(shapes.ready)
  await assert.rejects(shapes.get('profile'), ({ status, body }) => status === 404 && body.message === 'Not found.')
})

await check('browser: the preflight allows the page, the methods and the headers by name', async () => {
  for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
    const answer = await raw('OPTIONS', `${MOUNT}/profiles/me`, {
      origin: PAGE,
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization,content-type',
    })
    assert.ok(answer.status >= 200 && answer.status < 300)
    assert.deepEqual(answer.all('access-control-allow-origin'), [PAGE])
    assert.ok(answer.all('access-control-allow-methods').join().split(/, ?/).includes(method))
    const headers = answer.all('access-control-allow-headers').join().split(/, ?/)
    assert.ok(headers.includes('authorization') && headers.includes('content-type'))
    assert.deepEqual(answer.all('access-control-allow-credentials'), [])
  }
})
await check('browser: every response has the origin once, and no CORS header of the tenant', async () => {
  const bearer = { authorization: `Bearer ${token}`, origin: PAGE }
  for (const [status, path, headers] of [
    [200, '/profiles/me', bearer],
    [200, '/locations', bearer],
    [404, '/profiles/me/no-such-thing', bearer],
    [404, '/nowhere', bearer],
    [401, '/profiles/me', { origin: PAGE }],
  ]) {
    const answer = await raw('GET', MOUNT + path, headers)
    assert.equal(answer.status, status, path)
    assert.deepEqual(answer.all('access-control-allow-origin'), [PAGE], path)
    for (const name of ['set-cookie', 'server', 'x-powered-by', 'access-control-allow-credentials']) {
      assert.deepEqual(answer.all(name), [], `${name} of ${path}`)
    }
  }
  const elsewhere = await raw('GET', `${MOUNT}/profiles/me`, { ...bearer, origin: 'https://elsewhere.example' })
  assert.deepEqual(elsewhere.all('access-control-allow-origin'), [])
})

if (UPSTREAM) {
  await check('the tenant received one credential per request, its own token, and unchanged paths', async () => {
    const seen = await (await fetch(`${UPSTREAM}/seen`)).json()
    const paths = seen.map(({ url }) => url)
    assert.ok(paths.includes(`/api/v3/profiles/${PROFILE_ID}/attributes/custom/shop:size`))
    assert.ok(paths.includes('/api/v3/locations?filter%5Bis_published%5D=1&page%5Bsize%5D=2'))
    for (const { url, headers } of seen) {
      assert.ok(!url.includes('//') && !url.includes('/me'), url)
      const credentials = headers.filter((_, i) => i % 2 === 1 && headers[i - 1].toLowerCase() === 'authorization')
      assert.equal(credentials.length, 1, url)
      assert.ok([`Bearer ${API_TOKEN}`, 'Bearer not-the-token', `Bearer ${token}`].includes(credentials[0]), url)
      assert.ok(url.includes('search-id') || credentials[0] === `Bearer ${API_TOKEN}`, url)
      assert.ok(!headers.some((name, i) => i % 2 === 0 && /^(cookie|origin)$/i.test(name)), url)
    }
  })
}
say(`   ${checks} checks of clients pass`)
