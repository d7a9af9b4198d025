// A tenant that shares no code with the crate: the part of the admin API that check.mjs needs, on
// the standard library of node. It prints its port on 127.0.0.1, and lists its requests at /seen.
import { createServer } from 'node:http'

const { API_TOKEN, PROFILE_ID, IDENTITY_HANDLE, IDENTITY, KNOWN_EMAIL } = process.env
const profile = { id: PROFILE_ID, email: KNOWN_EMAIL, first_name: 'Ada', last_name: 'Lovelace', mobile_phone: null }
const comms = { profile_id: PROFILE_ID, email_promo: null, email_optout: null }
const people = [{ ...profile, id: 'a-look-alike', email: `x${KNOWN_EMAIL}` }, profile]
const item = (id, handle) => ({ id, handle, name: handle })
const custom = { namespace: 'shop', handle: 'size', value: 'M', type: 'string' }
const lists = [{ ...item(1, 'wishlist'), items: [] }]
const addresses = []
const locations = [1, 2, 3].map((id) => ({ ...item(id, `shop-${id}`), is_published: id < 3 }))
const seen = []

const page = (data, origin) => ({
  data,
  links: { first: `${origin}?page=1`, last: null, prev: null, next: null },
  meta: { current_page: 1, from: 1, per_page: 15, to: data.length, total: data.length, path: origin },
})

function route(method, path, query, body) {
  const here = `http://${PROFILE_ID}.invalid${path}`
  const filter = (name) => query.get(`filter[${name}]`)
  const [collection, id, ...rest] = path.split('/').slice(3)
  const verb = `${method} ${rest.join('/')}`
  if (path === '/api/v3/auth/verify') return [200]
  if (collection === 'locations') {
    if (id) return locations[id - 1] ? [200, { data: locations[id - 1] }] : [404, { message: 'No such location.' }]
    const published = filter('is_published')
    return [200, page(locations.filter((l) => published === null || l.is_published === (published === '1')), here)]
  }
  if (collection !== 'profiles') return [404, { message: 'No such route.' }]
  if (id === undefined && method === 'GET') {
    // The search matches substrings, like that of a tenant.
    const wanted = (filter('email') ?? '').toLowerCase()
    const by = people.filter((p) => p.email.toLowerCase().includes(wanted) && !query.has('filter[mobile_phone]'))
    return [200, page(by, here)]
  }
  if (id === undefined && method === 'POST') {
    if (people.some((p) => p.email === body.email)) return [422, { message: 'Taken.', errors: { email: ['The email has already been taken.'] } }]
    people.push({ id: `new-${people.length}`, ...body })
    return [201, { data: people.at(-1) }]
  }
  if (id === 'search-id') {
    const known = (body.type === 'profile_id' && body.id === PROFILE_ID) || (body.type === IDENTITY_HANDLE && body.id === IDENTITY)
    return known ? [200, { data: profile }] : [404, { message: 'No query results for model [Profile].' }]
  }
  if (id !== PROFILE_ID) return [404, { message: 'No query results for model [Profile].' }]
  switch (verb) {
    case 'GET ': return [200, { data: profile }]
    case 'PUT ': return [200, { data: Object.assign(profile, body) }]
    case 'GET attributes/comms': return [200, { data: comms }]
    case 'PUT attributes/comms': return [200, { data: Object.assign(comms, body) }]
    case 'GET attributes/custom': return [200, page([custom], here)]
    case 'GET attributes/custom/shop:size': return [200, { data: custom }]
    case 'PUT attributes/custom/shop:size': return [200, { data: Object.assign(custom, body) }]
    case 'GET balances': return [200, { data: { point_balance: 3, combined_balance_dollars: 1.5 } }]
    case 'GET aggregations': return [200, { data: { lifetime_spend: 1 } }]
    case 'GET lists': return [200, page(lists, here)]
    case 'GET lists/wishlist': return [200, { data: lists[0] }]
    case 'GET identities': return [200, { data: [{ id: 1, handle: IDENTITY_HANDLE, identifier: IDENTITY }] }]
    case 'GET rewards': case 'GET benefits': case 'GET transactions': return [200, page([item(1, 'one')], here)]
    case 'GET addresses': return [200, { data: addresses }]
    case 'POST addresses': addresses.push({ id: addresses.length + 1, ...body }); return [201, { data: addresses.at(-1) }]
  }
  if (method === 'DELETE' && rest[0] === 'addresses') return addresses.pop() ? [204] : [404, { message: 'Gone.' }]
  return [404, { message: 'No such route.' }]
}

createServer(async (request, response) => {
  let text = ''
  for await (const chunk of request) text += chunk
  if (request.url === '/seen') return response.end(JSON.stringify(seen))
  seen.push({ method: request.method, url: request.url, headers: request.rawHeaders })
  const url = new URL(request.url, 'http://tenant.invalid')
  const allowed = request.headers.authorization === `Bearer ${API_TOKEN}`
  const [status, answer] = allowed
    ? route(request.method, url.pathname, url.searchParams, text ? JSON.parse(text) : {})
    : [401, { message: 'Unauthenticated.' }]
  response.writeHead(status, {
    ...(answer && { 'content-type': 'application/json' }),
    'access-control-allow-origin': '*',
    'access-control-allow-credentials': 'true',
    'set-cookie': ['tenant_session=1', 'other=2'],
    server: 'tenant',
  })
  // Without `Content-Length`, so the body is chunked.
  if (answer) response.write(JSON.stringify(answer))
  response.end()
}).listen(0, '127.0.0.1', function () {
  console.log(this.address().port)
})
