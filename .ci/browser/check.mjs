// Opens the standalone server's storefront in Chromium, and calls the server from pages of other
// origins.
//
// Environment: STANDALONE, the server's binary; CHROMIUM, if it is not /usr/bin/chromium.
import assert from 'node:assert/strict'
import { build } from 'esbuild'
import { ADA, MOUNT, expiredToken, mint, runAll, withBrowser, withOtherOrigin, withServer } from './world.mjs'
import { checks as storefrontChecks } from './storefront.mjs'
import { ask, fetchChecks, shapesChecks, withPage } from './elsewhere.mjs'

let passed = 0

function expectAll(checks, failed) {
  for (const [name, error] of failed) console.error(`FAILED: ${name}\n${error.stack}\n`)
  assert.equal(failed.size, 0, `${failed.size} checks failed`)
  passed += Object.keys(checks).length
}

/** The published SDK, as a script that assigns it to `window`. */
async function shapesScript() {
  const { outputFiles } = await build({
    stdin: { contents: "import ShapesSDK from '@omneo/shapes-sdk'; window.ShapesSDK = ShapesSDK", resolveDir: import.meta.dirname },
    bundle: true, platform: 'browser', format: 'iife', write: false, logLevel: 'warning',
  })
  return outputFiles[0].text
}

const script = await shapesScript()
await withBrowser(async (browser) => {
  await withServer([], async (origin) => {
    const checks = storefrontChecks(browser, origin)
    expectAll(checks, await runAll(checks))
  })
  await withOtherOrigin(script, async (shop) => {
    const suite = (origin) => ({ ...fetchChecks(browser, origin, shop), ...shapesChecks(browser, origin, shop) })
    await withServer(['--cors-origin', `https://shop.example,${shop}`], async (origin) => {
      const checks = suite(origin)
      expectAll(checks, await runAll(checks))
      // The SDK does not send an expired token: it is not ready, and reports an error.
      const declined = await withPage(browser, shop, (page) =>
        page.evaluate(([url, token]) => {
          const { ready, error } = window.ShapesSDK.init({ url, token, isPrivate: true })
          return { ready: ready ?? false, error }
        }, [origin, expiredToken(ADA)]))
      assert.deepEqual(declined, { ready: false, error: true })
      // A page whose origin is not listed cannot read a response that other clients receive.
      await withOtherOrigin(script, (stranger) =>
        withPage(browser, stranger, async (page) => {
          const headers = { authorization: `Bearer ${await mint(origin, { id: ADA })}`, 'content-type': 'application/json' }
          assert.equal((await fetch(`${origin}${MOUNT}/profiles/me`, { headers })).status, 200)
          assert.deepEqual(await ask(page, `${origin}${MOUNT}/profiles/me`, { headers }), { error: 'TypeError' })
          assert.deepEqual(await ask(page, `${origin}${MOUNT}/profiles/me`, {}), { error: 'TypeError' })
        }))
      passed += 2
    })
    // With a wrong CORS configuration, each of these checks must fail.
    for (const flags of [[], ['--cors-origin', 'https://elsewhere.example']]) {
      await withServer(flags, async (origin) => {
        const checks = suite(origin)
        const failed = await runAll(checks)
        const blind = Object.keys(checks).filter((name) => !failed.has(name))
        assert.deepEqual(blind, [], `these checks pass with a wrong CORS configuration (${flags})`)
        passed += 1
      })
    }
  })
})
console.log(`   ${passed} checks in Chromium pass`)
