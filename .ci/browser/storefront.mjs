// The storefront page, in a browser.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { GRACE, MOUNT } from './world.mjs'

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js')
const DESK = { width: 1280, height: 860 }
const PHONE = { width: 360, height: 740 }

/** Opens the page, and records its errors, warnings, requests and statuses. */
async function open(browser, origin, options = {}) {
  const context = await browser.newContext({ viewport: DESK, reducedMotion: 'reduce', ...options })
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const seen = { complaints: [], outside: [], statuses: [] }
  page.on('pageerror', (error) => seen.complaints.push(String(error)))
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) seen.complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:')) seen.outside.push(request.url())
  })
  page.on('response', (response) => seen.statuses.push(response.status()))
  const response = await page.goto(`${origin}/`)
  assert.equal(response.status(), 200)
  return { page, seen, response, close: () => context.close() }
}

const signIn = async (page, name) => {
  await page.getByRole('button', { name: new RegExp(`^${name}`) }).click()
  await page.locator('#account .name', { hasText: name }).waitFor()
}
const entry = (page, method, path, status) =>
  page.locator(`.entry[data-method="${method}"][data-path="${path}"][data-status="${status}"]`).first()

/** The errors without those that the browser reports for each response with a status 4xx. */
const unexpected = (seen) => seen.complaints.filter((text) => !text.startsWith('Failed to load resource: the server responded with a status of 4'))

export const checks = (browser, origin) => ({
  'a customer signs in and sees the own profile': async () => {
    const { page, seen, close } = await open(browser, origin)
    await signIn(page, 'Ada Lovelace')
    const account = page.locator('#account')
    for (const text of ['ada.lovelace@example.com', '660', '$25.00', '$36.60', 'Silver member', 'Latest of 23 purchases', 'Wishlist', 'TEE-003']) {
      await account.getByText(text, { exact: false }).first().waitFor()
    }
    for (const path of ['', '/balances', '/lists/wishlist', '/rewards', '/tiers']) await entry(page, 'GET', `${MOUNT}/profiles/me${path}`, 200).waitFor()
    await entry(page, 'POST', '/demo/sign-in', 200).waitFor()
    assert.match(await page.locator('#token-life').textContent(), /^(1:00:00|59:\d\d) left$/)
    const before = await page.locator('#token-life').textContent()
    await page.waitForFunction((before) => document.getElementById('token-life').textContent !== before, before)
    await page.getByText('6513270e-269e-4d37-b2a7-4de452e6b438').first().waitFor()
    assert.match(await page.locator('#announcement').textContent(), /Signed in as Ada Lovelace/)
    await page.getByRole('button', { name: 'Add something' }).click()
    await account.getByText('Linen shirt').waitFor()
    await page.getByRole('button', { name: /^Remove Linen shirt/ }).click()
    await account.getByText('Linen shirt').waitFor({ state: 'detached' })
    assert.deepEqual(seen.complaints, [])
    assert.deepEqual(seen.outside, [])
    await close()
  },
  'neither the page nor its requests contain the API token': async () => {
    const { page, close } = await open(browser, origin)
    const sent = []
    page.on('request', (request) => sent.push(JSON.stringify(request.headers()), request.postData() ?? ''))
    await signIn(page, 'Grace Hopper')
    assert.ok(sent.some((text) => text.includes('Bearer ey')))
    assert.ok(!`${await page.content()}${sent.join()}`.includes('sandbox-api-token'))
    await close()
  },
  'consent is changed with the keyboard, and is stored': async () => {
    const { page, seen, close } = await open(browser, origin)
    await signIn(page, 'Alan Turing')
    const mail = () => page.getByRole('switch', { name: 'E-mail' })
    assert.equal(await mail().getAttribute('aria-checked'), 'true')
    await mail().focus()
    await page.keyboard.press('Space')
    await entry(page, 'PUT', `${MOUNT}/profiles/me/attributes/comms`, 200).waitFor()
    await page.getByText('Not opted in').first().waitFor()
    const shown = await page.locator('.entry[open]').innerText()
    for (const text of ['PUT', '200', 'authorization: Bearer ey', '"email_promo": false', 'email_consent_updated_at', 'cache-control: private, no-store']) assert.ok(shown.includes(text), shown)
    assert.equal(await mail().getAttribute('aria-checked'), 'false')
    await signIn(page, 'Ada Lovelace')
    await signIn(page, 'Alan Turing')
    assert.equal(await mail().getAttribute('aria-checked'), 'false')
    assert.deepEqual(seen.complaints, [])
    await close()
  },
  'an opt-in removes an earlier opt-out': async () => {
    const { page, close } = await open(browser, origin)
    await signIn(page, 'Greta Still')
    const letters = page.getByRole('switch', { name: 'Letters' })
    assert.equal(await letters.getAttribute('aria-checked'), 'false')
    const sent = page.waitForRequest((request) => request.method() === 'PUT')
    await letters.click()
    assert.deepEqual((await sent).postDataJSON(), { post_promo: true, post_optout: false })
    await page.locator('[data-channel="post"][aria-checked="true"]').waitFor()
    await close()
  },
  'new and known addresses get the same answer to a sign-up': async () => {
    const { page, seen, close } = await open(browser, origin)
    const result = page.locator('#sign-up-result')
    await page.getByRole('button', { name: 'a known address' }).click()
    await page.getByRole('button', { name: 'Sign up' }).click()
    await result.getByText('{"data":{"success":true}}').waitFor()
    await page.getByRole('button', { name: 'a new one' }).click()
    await page.getByRole('button', { name: 'Sign up' }).click()
    await result.getByText('The same bytes as before').waitFor()
    assert.deepEqual(seen.complaints, [])
    await page.getByLabel('E-mail address').fill('no address')
    await page.getByRole('button', { name: 'Sign up' }).click()
    await page.locator('#email[aria-invalid="true"]').waitFor()
    assert.match(await page.locator('#email-error').textContent(), /email/)
    await entry(page, 'POST', `${MOUNT}/profiles`, 422).waitFor()
    await close()
  },
  'stores are found without a sign-in': async () => {
    const { page, seen, close } = await open(browser, origin)
    await page.getByLabel('City').fill('Sydney')
    await page.keyboard.press('Enter')
    await page.locator('#store-list').getByText('Acme Sydney').waitFor()
    assert.equal(await page.locator('#store-list li').count(), 1)
    await page.getByLabel('City').fill('Malmö')
    await page.keyboard.press('Enter')
    await page.getByText('No store found.').waitFor()
    assert.deepEqual(seen.complaints, [])
    await close()
  },
  'every attempt beyond the own profile is rejected': async () => {
    const { page, seen, close } = await open(browser, origin)
    await signIn(page, 'Ada Lovelace')
    const attempts = page.locator('#attempts button')
    const expected = [404, 400, 404, 405, 401, 401, 401, 404]
    assert.equal(await attempts.count(), expected.length)
    for (const [index, status] of expected.entries()) {
      await attempts.nth(index).click()
      await attempts.nth(index).getByText(`Rejected: ${status}, `).waitFor()
    }
    await entry(page, 'GET', `${MOUNT}/profiles/${GRACE}`, 404).waitFor()
    // The browser reports each 4xx as an error. Other errors fail the check.
    assert.deepEqual(unexpected(seen), [])
    assert.equal(seen.complaints.length, expected.length)
    await close()
  },
  'a failure is shown until the next success': async () => {
    const { page, close } = await open(browser, origin)
    await signIn(page, 'Kim Park')
    await page.route('**/attributes/comms', (route) => route.fulfill({ status: 504, contentType: 'application/json', body: '{"message":"Too slow."}' }), { times: 1 })
    const mail = page.getByRole('switch', { name: 'E-mail' })
    await mail.click()
    await page.locator('#notice', { hasText: 'Not saved: 504, Too slow.' }).waitFor()
    assert.equal(await mail.getAttribute('aria-checked'), 'true')
    await mail.click()
    await page.locator('#notice').waitFor({ state: 'hidden' })
    assert.equal(await mail.getAttribute('aria-checked'), 'false')
    await page.getByRole('button', { name: 'Mint another' }).focus()
    await page.keyboard.press('Enter')
    await page.waitForFunction(() => document.querySelectorAll('.entry[data-path="/demo/sign-in"]').length === 2)
    await page.locator('.tools button', { hasText: 'Mint another' }).waitFor()
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Mint another')
    await close()
  },
  'a sign-out ends the token, and the next request with it is rejected': async () => {
    const { page, seen, close } = await open(browser, origin)
    await signIn(page, 'Zoë Ångström')
    const token = await page.locator('.jwt').innerText()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.locator('#session-result', { hasText: 'Sign out: 204. The next request with the same token: 401.' }).waitFor()
    await entry(page, 'DELETE', `${MOUNT}/auth/token`, 204).waitFor()
    await entry(page, 'GET', `${MOUNT}/profiles/me`, 401).waitFor()
    await page.getByText('Not signed in.').waitFor()
    assert.equal(await page.locator('.jwt').count(), 0)
    assert.equal(await page.locator('[role="switch"]').count(), 0)
    assert.equal(await page.evaluate(() => document.activeElement.id), 'sign-in')
    const me = await page.request.get(`${origin}${MOUNT}/profiles/me`, { headers: { authorization: `Bearer ${token}` } })
    assert.equal(me.status(), 401)
    assert.deepEqual(unexpected(seen), [])
    await signIn(page, 'Zoë Ångström')
    assert.equal(await page.locator('#session-result').isVisible(), false)
    await close()
  },
  'all sessions of a customer end, those of others continue': async () => {
    const [one, two, other] = await Promise.all([open(browser, origin), open(browser, origin), open(browser, origin)])
    await signIn(one.page, 'Kim Park')
    await signIn(two.page, 'Kim Park')
    await signIn(other.page, 'Alan Turing')
    await one.page.getByRole('button', { name: 'End all sessions of this customer' }).click()
    await one.page.locator('#session-result', { hasText: 'End all sessions: 204. The next request with the same token: 401.' }).waitFor()
    await entry(one.page, 'POST', '/demo/end-sessions', 204).waitFor()
    await two.page.getByRole('switch', { name: 'Letters' }).click()
    await two.page.locator('#notice', { hasText: 'The session was ended: sign in again.' }).waitFor()
    await other.page.getByRole('switch', { name: 'Letters' }).click()
    await entry(other.page, 'PUT', `${MOUNT}/profiles/me/attributes/comms`, 200).waitFor()
    // A sign-in in the same second works.
    await signIn(one.page, 'Kim Park')
    for (const { seen, close } of [one, two, other]) {
      assert.deepEqual(unexpected(seen), [])
      await close()
    }
  },
  'a refresh replaces the token': async () => {
    const { page, seen, close } = await open(browser, origin)
    await signIn(page, 'Grace Hopper')
    const before = await page.locator('.jwt').innerText()
    await page.getByRole('button', { name: 'Refresh' }).focus()
    await page.keyboard.press('Enter')
    await entry(page, 'POST', `${MOUNT}/auth/refresh`, 200).waitFor()
    await page.locator('.claims dt', { hasText: 'auth_time' }).waitFor()
    assert.notEqual(await page.locator('.jwt').innerText(), before)
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Refresh')
    await page.getByRole('switch', { name: 'Letters' }).click()
    await entry(page, 'PUT', `${MOUNT}/profiles/me/attributes/comms`, 200).waitFor()
    assert.deepEqual(seen.complaints, [])
    await close()
  },
  'the content security policy allows only the needs of the page': async () => {
    const { page, response, close } = await open(browser, origin)
    const headers = response.headers()
    const policy = headers['content-security-policy']
    for (const part of ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) assert.ok(policy.includes(part), policy)
    assert.ok(!policy.includes('unsafe-'))
    assert.equal(headers['x-content-type-options'], 'nosniff')
    const violated = await page.evaluate(() => new Promise((resolve) => {
      addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective))
      const image = new Image()
      image.src = '/somewhere.png'
    }))
    assert.equal(violated, 'img-src')
    const nonces = [policy, (await page.request.get(`${origin}/`)).headers()['content-security-policy']].map((policy) => /nonce-([\w-]{22})'/.exec(policy)[1])
    assert.notEqual(nonces[0], nonces[1])
    await close()
  },
  ...Object.fromEntries(['light', 'dark'].flatMap((colorScheme) => [['desk', DESK], ['phone', PHONE]].map(([name, viewport]) => [
    `accessibility: ${colorScheme}, ${name}`, async () => {
      const { page, seen, close } = await open(browser, origin, { colorScheme, viewport, bypassCSP: true })
      await page.addScriptTag({ path: AXE })
      const judge = async (state) => {
        const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
        assert.ok(passes.length > 20, 'axe has checked the page')
        const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact))
        assert.deepEqual(serious.map(({ id, nodes }) => [id, nodes.map(({ target }) => target.join(' '))]), [], state)
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
        assert.equal(overflow, 0, `${state}: horizontal scrolling`)
      }
      await judge('before signing in')
      await signIn(page, 'Ada Lovelace')
      await page.getByRole('button', { name: 'a known address' }).click()
      await page.getByRole('button', { name: 'Sign up' }).click()
      await page.locator('.result').waitFor()
      await page.getByRole('button', { name: 'Find' }).click()
      await page.locator('#store-list li').first().waitFor()
      assert.deepEqual(seen.complaints, [])
      await page.locator('#attempts button').first().click()
      await page.getByText('Rejected: 404, ').first().waitFor()
      for (const summary of (await page.locator('.entry summary').all()).slice(0, 3)) await summary.click()
      await judge('signed in')
      await page.getByRole('button', { name: 'Sign out' }).click()
      await page.locator('#session-result').waitFor()
      await judge('signed out')
      await close()
    },
  ]))),
})
