// The client under test: CLIENT (v1 or v2) out of the folder PACKAGES, with the WebSocket that its documents ask for.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export const isV1 = process.env.CLIENT === 'v1'
export const isV2 = process.env.CLIENT === 'v2'
if (!isV1 && !isV2) throw new Error('CLIENT must be v1 or v2 (tests/npm/run)')

const packages = createRequire(join(process.env.PACKAGES, 'package.json'))
// Both versions read the global one even when they are given another; Node before 22 has none.
globalThis.WebSocket ??= packages('ws').WebSocket
export const hasOwnWebSocket = Number(process.versions.node.split('.')[0]) >= 22

// By `require` and by `import` alike: each file of tests uses the module form.
const entry = packages.resolve(`computesdk-${process.env.CLIENT}`).replace(/\.js$/, '.mjs')
export const library = await import(pathToFileURL(entry))

// Explicit configuration for the gateway at `url`: an instance of its own where the version has such, else the singleton.
export const connect = (url, apiKey, more = {}) => {
  const config = isV1
    ? { provider: 'e2b', apiKey, gatewayUrl: url, e2b: { apiKey: 'any' }, ...more }
    : { provider: 'computesdk', computesdkApiKey: apiKey, gatewayUrl: url, computesdk: { computesdk_api_key: 'any' }, ...more }
  return library.compute(config)
}
