'use strict'
const settings = JSON.parse(document.getElementById('settings').textContent)
const { mount, customers } = settings
const at = (id) => document.getElementById(id)

/** Creates an element. Strings become text nodes, never markup. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name)
  for (const [key, value] of Object.entries(properties)) {
    if (key === 'class') element.className = value
    else if (key.startsWith('on')) element.addEventListener(key.slice(2), value)
    else if (value !== undefined && value !== null) element.setAttribute(key, value)
  }
  element.append(...children.filter((child) => child !== undefined && child !== null))
  return element
}

/* ---- tokens ------------------------------------------------------------------------------- */

let customer = null // the signed-in customer
let token = null // the customer's ID token
let anonymous = null // the anonymous ID token

const fromBase64 = (text) => {
  const bytes = atob(text.replace(/-/g, '+').replace(/_/g, '/'))
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes, (c) => c.charCodeAt(0))))
}
const toBase64 = (value) =>
  btoa(JSON.stringify(value)).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')
const claimsOf = (jwt) => fromBase64(jwt.split('.')[1])
const isAlive = (jwt) => jwt && claimsOf(jwt).exp * 1000 > Date.now() + 5000

/** Requests a token from the shop's server, which holds the API token. */
async function mint(profile, expired) {
  const note = expired ? 'your server issues an expired token' : profile ? 'your server mints a token' : 'your server mints an anonymous token'
  const answer = await call('POST', settings.signIn, { body: { profile, ...(expired && { expired }) }, note, outside: true, quiet: true })
  return answer.ok ? answer.body.data.token : null
}

async function anonymousToken() {
  if (!isAlive(anonymous)) anonymous = await mint(null)
  return anonymous
}

/* ---- requests ----------------------------------------------------------------------------- */

let count = 0
const SHOWN = ['content-type', 'cache-control', 'vary', 'allow', 'retry-after', 'www-authenticate', 'location', 'x-request-id']

/** Sends a request and logs it. A network error becomes a response with status 0. */
async function call(method, path, { bearer, body, note, outside, quiet } = {}) {
  const url = outside ? path : mount + path
  const headers = {}
  if (bearer) headers.authorization = `Bearer ${bearer}`
  if (body !== undefined) headers['content-type'] = 'application/json'
  const entry = begin(method, url, headers, body, note)
  const started = performance.now()
  let answer
  try {
    const response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store' })
    const text = await response.text()
    let parsed = null
    try { parsed = JSON.parse(text) } catch { /* an empty body, or not JSON */ }
    answer = { status: response.status, ok: response.ok, text, body: parsed, headers: response.headers }
  } catch (error) {
    answer = { status: 0, ok: false, text: String(error), body: null, headers: new Headers() }
  }
  finish(entry, answer, Math.max(1, Math.round(performance.now() - started)))
  if (!quiet) open(entry.entry)
  return answer
}

const me = (method, path, more = {}) => call(method, `/profiles/me${path}`, { bearer: token, ...more })

/* ---- the log ------------------------------------------------------------------------------ */

function begin(method, url, headers, body, note) {
  count += 1
  at('log-count').textContent = String(count)
  at('entries').querySelector('.empty')?.remove()
  const status = make('span', { class: 'status' }, '…')
  const more = make('div', { class: 'more' })
  const lines = Object.entries(headers).map(([name, value]) => [name, name === 'authorization' ? `${value.slice(0, 22)}…${value.slice(-6)}` : value])
  more.append(make('h3', {}, 'Request'), headerLines(lines))
  if (body !== undefined) more.append(pretty(body))
  // Browsers encode brackets; the log shows them decoded.
  const path = (url.startsWith(mount) ? url.slice(mount.length) : url).replace(/%5b/gi, '[').replace(/%5d/gi, ']')
  const shown = () => [url.startsWith(mount) ? make('span', { class: 'mount' }, mount) : '', path]
  const entry = make('details', { class: 'entry fresh' },
    make('summary', {},
      make('span', { class: `verb ${method}` }, method), make('span', { class: 'path' }, ...shown()), status,
      note && make('span', { class: 'note' }, note)),
    more)
  entry.dataset.method = method
  entry.dataset.path = url
  at('entries').prepend(entry)
  return { method, path, status, more, entry }
}

function finish({ method, path, status, more, entry }, answer, ms) {
  const grade = `s${Math.floor(answer.status / 100) || 5}`
  status.textContent = `${answer.status || 'failed'} · ${ms} ms`
  status.classList.add(grade)
  entry.dataset.status = answer.status
  const lines = SHOWN.filter((name) => answer.headers.has(name)).map((name) => [name, answer.headers.get(name)])
  more.append(make('h3', {}, `Response ${answer.status || ''}`), headerLines(lines))
  if (answer.text) more.append(answer.body === null ? make('pre', { class: 'body' }, answer.text) : pretty(hide(answer.body)))
  const last = at('last')
  last.replaceChildren(make('span', { class: 'unseen' }, 'Show all requests. The latest one: '),
    make('span', { class: 'verb' }, method), make('span', { class: 'path' }, path), make('span', { class: `status ${grade}` }, status.textContent))
  last.hidden = false
}

/** Opens the entry of the latest action and closes the one before. */
let opened = null
function open(entry) {
  if (opened) opened.open = false
  entry.open = true
  opened = entry
}

const headerLines = (lines) => {
  const pre = make('pre', {})
  lines.forEach(([name, value], index) => pre.append(make('span', { class: 'hn' }, `${name}: `), value, index < lines.length - 1 ? '\n' : ''))
  return pre
}

/** Shortens tokens, which the token panel shows. */
const hide = (body) => (body?.data?.token ? { ...body, data: { ...body.data, token: `${body.data.token.slice(0, 24)}…` } } : body)

function pretty(value) {
  const pre = make('pre', { class: 'body', tabindex: '0', 'aria-label': 'JSON', role: 'group' })
  const text = JSON.stringify(value, null, 2)
  const tokens = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/gi
  let end = 0
  for (const match of text.matchAll(tokens)) {
    pre.append(text.slice(end, match.index))
    const [whole, string, colon] = match
    const kind = string ? (colon ? 'k' : 'v') : /\d/.test(whole) ? 'n' : 'w'
    pre.append(make('span', { class: kind }, string ?? whole), colon ?? '')
    end = match.index + whole.length
  }
  pre.append(text.slice(end))
  return pre
}

/** Announces the result of an action to screen readers. */
const announce = (text) => {
  at('announcement').textContent = text
  at('notice').hidden = true
}

/** Announces an error, and shows it. */
const fail = (title, answer) => {
  announce(`${title}: ${answer.status || 'no response'}${answer.body?.message ? `, ${answer.body.message}` : ''}`)
  const hint = answer.status !== 401 || !token ? '' : isAlive(token) ? ' The session was ended: sign in again.' : ' The token has expired: mint another one.'
  at('notice').textContent = at('announcement').textContent + hint
  at('notice').hidden = false
}

at('clear').addEventListener('click', () => {
  at('entries').replaceChildren(make('p', { class: 'empty' }, 'All requests of this page, newest first.'))
  at('log-count').textContent = String((count = 0))
  at('last').hidden = true
})

/* ---- the token's panel -------------------------------------------------------------------- */

function showToken() {
  const body = at('token-body')
  if (!token) {
    body.replaceChildren(make('p', { class: 'empty' }, 'Minted when you sign in.'))
    return tick()
  }
  const [head, payload, signature] = token.split('.')
  const dot = () => make('i', { class: 'd' }, '.')
  const claims = claimsOf(token)
  const focused = body.contains(document.activeElement) ? document.activeElement.id : null
  const rows = { alg: fromBase64(head).alg, ...claims }
  const meaning = { pid: 'the profile', iat: clock(claims.iat), exp: clock(claims.exp), jti: 'the id of this token', ...(claims.auth_time && { auth_time: clock(claims.auth_time) }) }
  body.replaceChildren(
    make('p', { class: 'jwt', tabindex: '0', role: 'group', 'aria-label': 'The token as it is sent' },
      make('i', { class: 'h' }, head), dot(), make('i', { class: 'p' }, payload), dot(), make('i', { class: 's' }, signature)),
    make('dl', { class: 'claims' }, ...Object.entries(rows).flatMap(([name, value]) => [
      make('dt', {}, name), make('dd', {}, String(value), meaning[name] ? make('span', { class: 'hn' }, `  ${meaning[name]}`) : undefined)])),
    make('div', { class: 'tools' },
      make('button', { type: 'button', class: 'plain', id: 'mint-another', onclick: () => signIn(customer) }, 'Mint another'),
      settings.refreshes ? make('button', { type: 'button', class: 'plain', id: 'refresh', onclick: refresh }, 'Refresh') : undefined,
      make('button', { type: 'button', class: 'plain', id: 'sign-out', onclick: signOut }, 'Sign out'),
      make('button', { type: 'button', class: 'plain', id: 'end-sessions', onclick: endSessions }, 'End all sessions of this customer')))
  if (focused !== null) (at(focused) ?? body.querySelector('button')).focus()
  tick()
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' })

function tick() {
  const life = at('token-life')
  if (!token) {
    life.textContent = 'none'
    at('token-bar').style.transform = 'scaleX(0)'
    return
  }
  const { iat, exp } = claimsOf(token)
  const left = Math.max(0, exp - Date.now() / 1000)
  const two = (number) => String(Math.floor(number)).padStart(2, '0')
  const hours = left >= 3600 ? `${Math.floor(left / 3600)}:` : ''
  life.textContent = left > 0 ? `${hours}${two((left % 3600) / 60)}:${two(left % 60)} left` : 'expired'
  at('token-bar').style.transform = `scaleX(${Math.min(1, left / (exp - iat))})`
}
setInterval(tick, 1000)

/* ---- sign-in ------------------------------------------------------------------------------ */

const initials = (name) => name.split(' ').map((part) => part[0]).join('').slice(0, 2)
const tint = (profile) => `t${Math.max(0, customers.findIndex(({ id }) => id === profile))}`

for (const person of customers) {
  at('people').append(make('button', { type: 'button', class: 'person', 'aria-pressed': 'false', 'data-profile': person.id, onclick: () => signIn(person) },
    make('span', { class: `face ${tint(person.id)}`, 'aria-hidden': 'true' }, initials(person.name)),
    make('span', {}, make('b', {}, person.name), make('small', {}, person.note))))
}

/** Counts sign-ins: responses to an earlier one are ignored. */
let session = 0

async function signIn(person) {
  const mine = ++session
  const minted = await mint(person.id)
  if (mine !== session) return
  if (!minted) return fail('No token was minted', {})
  customer = person
  token = minted
  at('session-result').hidden = true
  for (const button of at('people').children) button.setAttribute('aria-pressed', String(button.dataset.profile === person.id))
  showToken()
  showAttempts()
  at('account').setAttribute('aria-busy', 'true')
  const [profile, balances, wishlist, rewards, tiers, purchases] = await Promise.all([
    me('GET', ''), ...['/balances', `/lists/${settings.wishlist}`, '/rewards', '/tiers', '/transactions?page[size]=3&sort=-transacted_at']
      .map((path) => me('GET', path, { quiet: true }))])
  if (mine !== session) return
  at('account').setAttribute('aria-busy', 'false')
  if (!profile.ok) return fail('The profile could not be read', profile)
  showAccount(profile.body.data, { balances, wishlist, rewards, tiers, purchases })
  showConsent(profile.body.data.attributes.comms)
  announce(`Signed in as ${profile.body.data.full_name}.`)
}

/** Exchanges the token for a new one of the same session. */
async function refresh() {
  const mine = session
  const answer = await call('POST', '/auth/refresh', { bearer: token, note: 'a new token of the same session' })
  if (mine !== session) return
  if (!answer.ok) return fail('Not refreshed', answer)
  token = answer.body.data.token
  showToken()
  announce('The token was refreshed.')
}

/** Ends the token of this page. Other sessions of the customer continue. */
async function signOut() {
  const ended = token
  const answer = await call('DELETE', '/auth/token', { bearer: ended, note: 'end this token', quiet: true })
  await leave('Sign out', ended, answer)
}

/** Ends all tokens of the customer. Only a server with the API token can. */
async function endSessions() {
  const ended = token
  const answer = await call('POST', settings.endSessions, { body: { profile: customer.id }, note: 'your server ends all tokens of this customer', outside: true, quiet: true })
  await leave('End all sessions', ended, answer)
}

/** Deletes the ended token, after one more request with it, which is rejected. */
async function leave(action, ended, answer) {
  // 401: the token had ended before.
  if (!answer.ok && answer.status !== 401) return fail(`${action} failed`, answer)
  const again = await me('GET', '', { bearer: ended, note: 'the ended token' })
  if (token !== ended) return
  session += 1
  customer = token = null
  for (const button of at('people').children) button.setAttribute('aria-pressed', 'false')
  at('account').setAttribute('aria-busy', 'false')
  at('account-body').replaceChildren(make('p', { class: 'empty' }, 'Not signed in. Choose a customer above.'))
  at('consent-body').replaceChildren(make('p', { class: 'empty' }, 'Sign in to see the consent of this customer.'))
  showToken()
  showAttempts()
  const result = at('session-result')
  result.replaceChildren(make('b', {}, `${action}: ${answer.status}. `), `The next request with the same token: ${again.status || 'no response'}.`)
  result.hidden = false
  announce(result.textContent)
  at('sign-in').focus()
}

/* ---- the account -------------------------------------------------------------------------- */

const money = (value, currency = 'AUD') => new Intl.NumberFormat('en-AU', { style: 'currency', currency }).format(Number(value) || 0)
const listOf = (answer) => (answer.ok && Array.isArray(answer.body?.data) ? answer.body.data : [])
const day = (text) => new Date(`${text.replace(' ', 'T')}Z`).toLocaleDateString('en-AU', { day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' })

function showAccount(profile, { balances, wishlist, rewards, tiers, purchases }) {
  const sums = balances.body?.data ?? {}
  const tier = listOf(tiers).find(({ is_current }) => is_current)
  const sum = (name, value) => make('div', {}, make('dt', {}, name), make('dd', {}, value))
  const rows = (name, items, row) => make('ul', { class: 'rows', 'aria-label': name }, ...(items.length ? items.map(row) : [make('li', { class: 'none' }, 'Nothing yet.')]))
  const total = purchases.body?.meta?.total
  const hearts = make('div', { id: 'wishlist' })
  at('account-body').replaceChildren(
    make('div', { class: 'customer' },
      make('span', { class: `face ${tint(profile.id)}`, 'aria-hidden': 'true' }, initials(profile.full_name)),
      make('div', {}, make('p', { class: 'name' }, profile.full_name), make('p', { class: 'reach' }, [profile.email, profile.mobile_phone].filter(Boolean).join(' · '))),
      tier && make('span', { class: 'tier' }, `${tier.name} member`)),
    make('dl', { class: 'sums' },
      sum('points', new Intl.NumberFormat('en-AU').format(sums.point_balance ?? 0)), sum('in rewards', money(sums.reward_balance)),
      sum('in benefits', money(sums.benefit_balance)), sum('total to spend', money(sums.combined_balance_dollars))),
    make('div', { class: 'halves' }, hearts,
      make('div', {}, make('div', {}, make('h3', {}, 'Rewards'), rows('Rewards', listOf(rewards), (reward) => make('li', {},
        make('span', {}, reward.name, make('small', {}, `of ${money(reward.value)}`)), make('span', { class: 'figure' }, money(reward.value_remaining))))),
      make('div', {}, make('h3', {}, total > 3 ? `Latest of ${total} purchases` : 'Purchases'), rows('Purchases', listOf(purchases), (purchase) => make('li', {},
        make('span', {}, purchase.items?.[0]?.name ?? purchase.external_id, make('small', {}, day(purchase.transacted_at))),
        make('span', { class: 'figure' }, money(purchase.total, purchase.currency))))))))
  showWishlist(wishlist.body?.data?.items ?? [])
}

const IDEAS = [['Linen shirt', 89], ['Wool scarf', 59], ['Canvas tote', 35], ['Rain jacket', 189]]
let idea = 0

function showWishlist(items) {
  const path = `/lists/${settings.wishlist}/items`
  const remove = async (item) => {
    const answer = await me('DELETE', `${path}/${item.id}`)
    if (!answer.ok) return fail('Not removed', answer)
    showWishlist(items.filter(({ id }) => id !== item.id))
    announce(`${item.name} was removed from the wishlist.`)
    at('add-wish').focus()
  }
  const add = async () => {
    const [name, price] = IDEAS[idea++ % IDEAS.length]
    const answer = await me('POST', path, { body: { sku: name.toUpperCase().replace(' ', '-'), name, price, quantity: 1 } })
    if (!answer.ok) return fail('Not added', answer)
    showWishlist([...items, answer.body.data])
    announce(`${name} was added to the wishlist.`)
    at('add-wish').focus()
  }
  const row = (item) => make('li', {},
    make('span', {}, item.name, make('small', {}, `${item.sku} · ${money(item.price)}`)),
    make('button', { type: 'button', class: 'plain', 'aria-label': `Remove ${item.name}, ${item.sku}`, onclick: () => remove(item) }, 'Remove'))
  at('wishlist')?.replaceChildren(make('h3', {}, 'Wishlist'),
    make('ul', { class: 'rows', 'aria-label': 'Wishlist' }, ...(items.length ? items.map(row) : [make('li', { class: 'none' }, 'Nothing yet.')])),
    make('button', { type: 'button', class: 'plain', id: 'add-wish', onclick: add }, 'Add something'))
}

/* ---- consent ------------------------------------------------------------------------------ */

const CHANNELS = [['email', 'E-mail'], ['sms', 'Text messages'], ['push', 'App notifications'], ['phone', 'Phone calls'], ['post', 'Letters']]

function showConsent(comms) {
  const isOn = (channel) => comms[`${channel}_promo`] === true && comms[`${channel}_optout`] !== true
  const state = (channel) => comms[`${channel}_optout`] === true ? 'Opted out' : isOn(channel) ? 'Opted in' : comms[`${channel}_promo`] === false ? 'Not opted in' : 'Never asked'
  const row = ([channel, name]) => {
    const knob = make('button', { type: 'button', role: 'switch', 'aria-checked': String(isOn(channel)), 'aria-labelledby': `name-${channel}`, 'aria-describedby': `state-${channel}`, 'data-channel': channel })
    const stateText = make('small', { id: `state-${channel}` }, state(channel))
    knob.addEventListener('click', async () => {
      if (knob.getAttribute('aria-disabled') === 'true') return
      const wanted = !isOn(channel)
      const change = { [`${channel}_promo`]: wanted }
      // An opt-out has precedence over an opt-in.
      if (wanted && comms[`${channel}_optout`] === true) change[`${channel}_optout`] = false
      // These two channels record the time of the consent.
      if (channel === 'email' || channel === 'sms') change[`${channel}_consent_updated_at`] = new Date().toISOString()
      knob.setAttribute('aria-disabled', 'true')
      const answer = await me('PUT', '/attributes/comms', { body: change })
      knob.removeAttribute('aria-disabled')
      if (!answer.ok) return fail('Not saved', answer)
      Object.assign(comms, answer.body.data)
      knob.setAttribute('aria-checked', String(isOn(channel)))
      stateText.textContent = state(channel)
      announce(`${name}: ${state(channel)}.`)
    })
    return make('li', {}, make('span', { class: 'channel' }, make('b', { id: `name-${channel}` }, name), stateText), knob)
  }
  at('consent-body').replaceChildren(make('ul', { class: 'switches' }, ...CHANNELS.map(row)))
}

/* ---- signing up --------------------------------------------------------------------------- */

let newcomers = 0
let firstText = null // the response text of the first sign-up

const fill = (address) => { at('email').value = address; complain('') }
const complain = (text) => {
  at('email-error').textContent = text
  at('email-error').hidden = !text
  at('email').setAttribute('aria-invalid', String(Boolean(text)))
}
at('use-known').addEventListener('click', () => fill(settings.known))
at('use-new').addEventListener('click', () => fill(`newcomer.${Date.now() % 100000}${newcomers++}@example.com`))

at('sign-up').addEventListener('submit', async (event) => {
  event.preventDefault()
  const email = at('email').value.trim()
  const name = at('first-name').value.trim()
  const body = { email, ...(name && { first_name: name }), attributes: { comms: { email_promo: at('news').checked } } }
  const answer = await call('POST', '/profiles', { bearer: await anonymousToken(), body })
  const result = at('sign-up-result')
  const errors = answer.body?.errors
  complain(errors ? Object.values(errors).flat().join(' ') : answer.ok ? '' : answer.body?.message ?? 'No response.')
  if (!answer.ok) {
    result.replaceChildren()
    return at('email').focus()
  }
  const isRepeated = firstText !== null
  const isSame = answer.text === firstText
  firstText ??= answer.text
  result.replaceChildren(make('div', { class: 'result' }, make('b', {}, 'Thank you!'), make('code', {}, answer.text),
    make('p', {}, !isRepeated ? 'Now try the other kind of address.' : isSame ? 'The same bytes as before, for a known and for a new address.' : 'This response differs from the first one.')))
})

/* ---- stores ------------------------------------------------------------------------------- */

at('find').addEventListener('submit', async (event) => {
  event.preventDefault()
  const query = new URLSearchParams({ 'filter[is_published]': 1, 'page[size]': 8 })
  if (at('open').checked) query.set('filter[is_permanently_closed]', 0)
  const city = at('city').value.trim()
  if (city) query.set('filter[name]', city)
  const answer = await call('GET', `/locations?${query}`, { bearer: await anonymousToken() })
  const found = listOf(answer)
  at('store-count').textContent = !answer.ok ? `No response: ${answer.body?.message ?? answer.status}` : found.length ? `${answer.body.meta.total} found${answer.body.meta.total > found.length ? `, the first ${found.length}` : ''}` : 'No store found.'
  at('store-list').replaceChildren(...found.map((store) => make('li', {},
    make('b', {}, store.name),
    make('span', {}, store.type === 'online' ? 'Online, always open' : `${store.address.address_line_1}, ${store.address.city} ${store.address.state}`),
    make('span', {}, store.is_permanently_closed ? 'Permanently closed' : store.phone))))
})

/* ---- limits ------------------------------------------------------------------------------- */

const other = () => customers.find(({ id }) => id !== customer?.id)
const forged = () => {
  const [head, , signature] = token.split('.')
  return [head, toBase64({ ...claimsOf(token), pid: other().id }), signature].join('.')
}
const ATTEMPTS = [
  { title: () => `Read ${other().name}’s profile`, line: 'GET /profiles/{id}', run: () => call('GET', `/profiles/${other().id}`, { bearer: token }) },
  { title: () => 'Name an identity in the query', line: 'GET /profiles/me?identity[…]=…', run: () => me('GET', '?identity[shopify]=6142338891903') },
  { title: () => 'Leave the path by ../', line: 'GET /profiles/me/..%2F…', run: () => me('GET', `/..%2F${other().id}`) },
  { title: () => 'List all customers', line: 'GET /profiles', run: () => call('GET', '/profiles', { bearer: token }) },
  { title: () => 'Change the profile in the token', line: 'another pid, the original signature', run: () => me('GET', '', { bearer: forged(), note: 'a forged token' }) },
  { title: () => 'Mint a token for another profile', line: 'POST /auth/token', run: () => call('POST', '/auth/token', { bearer: token, body: { id: other().id } }) },
  { title: () => 'Use an expired token', line: 'GET /profiles/me', run: async () => me('GET', '', { bearer: await mint(customer.id, true), note: 'an expired token' }) },
  { title: () => 'Use an anonymous token', line: 'GET /profiles/me', run: async () => me('GET', '', { bearer: await anonymousToken(), note: 'an anonymous token' }) },
]

function showAttempts() {
  at('attempts').replaceChildren(...ATTEMPTS.map(({ title, line, run }) => {
    const outcome = make('span', { class: 'outcome' }, token ? 'Not sent yet' : 'Sign in first')
    const button = make('button', { type: 'button' }, make('b', {}, title()), make('code', {}, line), outcome)
    if (!token) button.setAttribute('aria-disabled', 'true')
    button.addEventListener('click', async () => {
      if (!token) return at('sign-in').focus()
      const answer = await run()
      outcome.className = `outcome ${answer.ok ? 'passed' : 'refused'}`
      outcome.textContent = `${answer.ok ? 'Accepted' : 'Rejected'}: ${answer.status}, ${answer.body?.message ?? 'no response'}`
      announce(`${title()}: ${outcome.textContent}`)
    })
    return make('li', {}, button)
  }))
}

showAttempts()
showToken()
