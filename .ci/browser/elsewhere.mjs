// Pages of another origin: if it is listed, they may call the server and read its responses.
// Every check depends on that, so each of them must fail if the origin is not listed.
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { ADA, GRACE, MOUNT, expiredToken, mint } from './world.mjs'

/** The raw headers of a response, with duplicates. */
const raw = (url, method, headers) =>
  new Promise((resolve, reject) => {
    const sent = request(url, { method, headers }, (response) => {
      response.resume()
      const all = (name) => response.rawHeaders.filter((_, i, list) => i % 2 === 1 && list[i - 1].toLowerCase() === name)
      resolve({ status: response.statusCode, all })
    })
    sent.on('error', reject).end()
  })

export async function withPage(browser, pageOrigin, use) {
  const context = await browser.newContext()
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  await page.goto(pageOrigin)
  try {
    return await use(page)
  } finally {
    await context.close()
  }
}

/** The result of the page's own `fetch`: the readable part of the response, or the error. */
export const ask = (page, url, options) =>
  page.evaluate(async ([url, options]) => {
    try {
      const response = await fetch(url, options)
      return { status: response.status, body: await response.json(), id: response.headers.get('x-request-id') }
    } catch (error) {
      return { error: error.name }
    }
  }, [url, options])

export const fetchChecks = (browser, origin, pageOrigin) => {
  const base = origin + MOUNT
  const bearer = (token) => ({ authorization: `Bearer ${token}` })
  const json = { 'content-type': 'application/json' }
  const asked = (url, options) => withPage(browser, pageOrigin, (page) => ask(page, url, options))
  return {
    'the preflight allows authorization and content-type by name': async () => {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        const answer = await raw(`${base}/profiles/me`, 'OPTIONS', {
          origin: pageOrigin,
          'access-control-request-method': method,
          'access-control-request-headers': 'authorization,content-type',
        })
        assert.ok(answer.status < 300)
        assert.deepEqual(answer.all('access-control-allow-origin'), [pageOrigin])
        const names = answer.all('access-control-allow-headers').join().split(/, ?/)
        assert.ok(names.includes('authorization') && names.includes('content-type'), names.join())
      }
    },
    'no CORS header is duplicated': async () => {
      for (const token of [await mint(origin, { id: ADA }), 'no.good.token']) {
        const answer = await raw(`${base}/profiles/me`, 'GET', { ...bearer(token), origin: pageOrigin })
        assert.deepEqual(answer.all('access-control-allow-origin'), [pageOrigin])
        assert.deepEqual(answer.all('access-control-allow-credentials'), [])
      }
    },
    'a page reads the profile, and the request id': async () => {
      const { status, body, id } = await asked(`${base}/profiles/me`, { headers: { ...bearer(await mint(origin, { id: ADA })), ...json } })
      assert.deepEqual([status, body?.data.id], [200, ADA])
      assert.match(id, /^[0-9a-f]{32}$/)
    },
    'a page writes': async () => {
      const headers = { ...bearer(await mint(origin, { id: ADA })), ...json }
      const answer = await asked(`${base}/profiles/me/attributes/comms`, { method: 'PUT', headers, body: '{"push_promo":false}' })
      assert.deepEqual([answer.status, answer.body?.data.push_promo], [200, false])
    },
    'a page reads the rejection: 401': async () => {
      for (const headers of [{}, bearer('no.good.token'), bearer(expiredToken(ADA))]) {
        const answer = await asked(`${base}/profiles/me`, { headers: { ...headers, ...json } })
        assert.deepEqual([answer.status, answer.body], [401, { message: 'Unauthenticated.' }])
      }
    },
    'a page reads the rejection: 404': async () => {
      const headers = { ...bearer(await mint(origin, { id: ADA })), ...json }
      for (const path of [`/profiles/${GRACE}`, '/nowhere', '/profiles/me/lists/none-such']) {
        const answer = await asked(base + path, { headers })
        assert.equal(answer.status, 404, path)
        assert.equal(typeof answer.body.message, 'string')
      }
    },
    'a page reads the rejection: 422': async () => {
      const headers = { ...bearer(await mint(origin, {})), ...json }
      const answer = await asked(`${base}/profiles`, { method: 'POST', headers, body: '{"email":"no address"}' })
      assert.equal(answer.status, 422)
      assert.ok(answer.body.errors.email.length > 0)
    },
  }
}

/** `@omneo/shapes-sdk` in a page, as in a shop. */
export const shapesChecks = (browser, origin, pageOrigin) => {
  const url = `${origin}${MOUNT.replace(/\/api\/v1$/, '')}`
  const inPage = (use, ...args) => withPage(browser, pageOrigin, (page) => page.evaluate(use, [url, ...args]))
  return {
    'shapes: hydrates all resources that it keeps': async () => {
      const token = await mint(origin, { id: ADA })
      const { ready, states, announced, shared } = await inPage(async ([url, token]) => {
        const shapes = window.ShapesSDK.init({ url, token })
        const announced = []
        const resources = ['profile', 'balances', 'lists', 'identities', 'rewards', 'transactions', 'benefits', 'aggregations']
        await Promise.race([
          Promise.all(resources.map((resource) => new Promise((resolve) => {
            shapes.on(`shapes.${resource}.ready`, () => resolve(announced.push(resource)))
            shapes.hydrate(resource)
          }))),
          new Promise((resolve) => setTimeout(resolve, 10_000)),
        ])
        const states = Object.fromEntries(resources.map((resource) => [resource, shapes.find(resource)]))
        return { ready: shapes.ready, states, announced, shared: window.ShapesSDKClient === shapes }
      }, token)
      assert.ok(ready && shared)
      assert.equal(announced.length, 8, announced.join())
      for (const [resource, { init, loading, error }] of Object.entries(states)) assert.deepEqual([init, loading, error], [true, false, false], resource)
      assert.equal(states.profile.data.id, ADA)
      assert.equal(typeof states.balances.data.combined_balance_dollars, 'number')
      assert.ok(states.lists.data.wishlist.items)
      assert.equal(states.identities.data.shopify.identifier, '6142338891902')
      assert.ok(Object.keys(states.rewards.data).length > 0)
      assert.ok(Object.keys(states.transactions.data).length > 0)
    },
    'shapes: updates consent, and reads it again': async () => {
      const token = await mint(origin, { id: GRACE })
      const [put, got] = await inPage(async ([url, token]) => {
        const shapes = window.ShapesSDK.init({ url, token, isPrivate: true })
        const put = await shapes.put('attributes.comms', { sms_promo: false })
        return [put, await shapes.get('attributes.comms')]
      }, token)
      assert.deepEqual([put.status, put.body.data.sms_promo], [200, false])
      assert.equal(got.body.data.sms_promo, false)
    },
    'shapes: shows its stored state after a reload, and requests it again': async () => {
      const token = await mint(origin, { id: ADA })
      await withPage(browser, pageOrigin, async (page) => {
        const name = () => page.evaluate(async ([url, token]) => {
          const shapes = window.ShapesSDK.init({ url, token, isPrivate: true })
          const kept = shapes.find('profile').data?.full_name ?? null
          const answer = await shapes.get('profile', false, true)
          return [kept, shapes.find('profile').data.full_name, answer.status]
        }, [url, token])
        assert.deepEqual(await name(), [null, 'Ada Lovelace', 200])
        await page.reload()
        assert.deepEqual(await name(), ['Ada Lovelace', 'Ada Lovelace', 200])
      })
    },
    'shapes: accepts an anonymous token, and gets 404 for its profile': async () => {
      const [ready, error] = await inPage(async ([url, token]) => {
        const shapes = window.ShapesSDK.init({ url, token, isPrivate: true })
        return [shapes.ready, await shapes.get('profile').catch(({ status, body, error }) => ({ status, body, error }))]
      }, await mint(origin, {}))
      assert.equal(ready, true)
      assert.deepEqual(error, { status: 404, body: { message: 'Not found.' }, error: true })
    },
    'shapes: gets 401 for a token that it accepts itself': async () => {
      const token = await mint(origin, { id: ADA })
      const [ready, error] = await inPage(async ([url, token]) => {
        const shapes = window.ShapesSDK.init({ url, token, isPrivate: true })
        return [shapes.ready, await shapes.get('balances').catch(({ status, body }) => ({ status, body }))]
      }, `${token.slice(0, -6)}AAAAAA`)
      assert.equal(ready, true)
      assert.deepEqual(error, { status: 401, body: { message: 'Unauthenticated.' } })
    },
  }
}
