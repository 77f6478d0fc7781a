// The documented recipes: nothing but environment variables; hosts instead of paths; both forms of the WebSocket.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import dns from 'node:dns'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { after, before, describe, test } from 'node:test'
import { connect, isV1, isV2, library } from '../support/client.mjs'
import { until } from '../support/events.mjs'
import { startGateway } from '../support/gateway.mjs'

const app = fileURLToPath(new URL('../support/zero_config_app.mjs', import.meta.url))
const run = async (env) => {
  const { CLIENT, PACKAGES, PATH } = process.env
  return (await promisify(execFile)(process.execPath, [app], { env: { CLIENT, PACKAGES, PATH, ...env } })).stdout
}

// A page's recipe as it is printed: the program, and the line that starts it, with this gateway's key and address.
const recipe = (gateway, folder) => {
  const page = readFileSync(new URL('../../../docs/gateway.md', import.meta.url), 'utf8')
  const program = page.match(/```js\n([\s\S]*?)```/)[1]
  const version = isV1 ? 'Version 1' : 'Version 2'
  const line = page.slice(page.indexOf(`\n${version}`)).match(/```\n([\s\S]*?)\n```/)[1]
  writeFileSync(join(folder, 'app.mjs'), program)
  mkdirSync(join(folder, 'node_modules'))
  const { CLIENT, PACKAGES } = process.env
  symlinkSync(join(PACKAGES, 'node_modules', `computesdk-${CLIENT}`), join(folder, 'node_modules/computesdk'))
  symlinkSync(join(PACKAGES, 'node_modules/ws'), join(folder, 'node_modules/ws'))
  return line.replace('API_KEY=k ', `API_KEY=${gateway.apiKey} `).replace('http://host:port', gateway.url)
    .replace(/\bnode app/, `'${process.execPath}' app`)
}

describe('zero configuration', () => {
  let gateway
  before(async () => (gateway = await startGateway()))
  after(() => gateway.stop())

  test('the recipe of docs/gateway.md, as printed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'csdk-npm-'))
    try {
      const { stdout } = await promisify(execFile)('/bin/sh', ['-c', recipe(gateway, folder)],
        { cwd: folder, env: { PATH: process.env.PATH } })
      assert.match(stdout, /^Linux /)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('variables alone', async () => {
    const both = { COMPUTESDK_API_KEY: gateway.apiKey, COMPUTESDK_GATEWAY_URL: gateway.url, COMPUTESDK_TRIBUTARY_URL: gateway.url }
    const env = isV1 ? { E2B_API_KEY: 'any' } : { COMPUTESDK_PROVIDER: 'computesdk' }
    assert.equal(await run({ ...both, ...env }), 'local 42\n')
    assert.equal(await run({ ...both, ...env, COMPUTESDK_GATEWAY_URL: `${gateway.url}/`, COMPUTESDK_TRIBUTARY_URL: `${gateway.url}/` }),
      'local 42\n')
    // Whatever else it finds: the gateway's default provider serves.
    assert.equal(await run({ ...both, RUNLOOP_API_KEY: 'any' }), 'local 42\n')
  })

  test('another key, no key', async () => {
    const env = { COMPUTESDK_GATEWAY_URL: gateway.url, COMPUTESDK_TRIBUTARY_URL: gateway.url, E2B_API_KEY: 'any' }
    await assert.rejects(run({ ...env, COMPUTESDK_API_KEY: 'wrong' }), /Invalid ComputeSDK API key/)
    await assert.rejects(run(env), /No ComputeSDK configuration found/)
  })

  test('messages in JSON instead of binary', async () => {
    const compute = connect(gateway.url, gateway.apiKey)
    const sandbox = await compute.sandbox.create()
    const other = new library.Sandbox({
      sandboxUrl: sandbox.getSandboxUrl(), sandboxId: sandbox.sandboxId, provider: 'local', token: sandbox.getToken(),
      protocol: 'json',
    })
    const terminal = await other.terminal.create({ pty: true })
    let text = ''
    terminal.on('output', (piece) => (text += piece))
    terminal.write('echo json-$((1+1))\n')
    await until(() => text.includes('json-2'), 'output')
    await terminal.destroy()
    await other.disconnect()
    await compute.sandbox.destroy(sandbox.sandboxId)
  })
})

describe('hosts', () => {
  let gateway
  const { lookup } = dns
  before(async () => {
    // The names below the public domain are ours to resolve; the client itself is as published.
    dns.lookup = (host, ...rest) => lookup(host.endsWith('.sandbox.test') ? '127.0.0.1' : host, ...rest)
    gateway = await startGateway(['--public-domain', 'sandbox.test'])
  })
  after(async () => {
    dns.lookup = lookup
    await gateway.stop()
  })

  test('getUrl leads to the port', async () => {
    const compute = connect(gateway.url, gateway.apiKey)
    const sandbox = await compute.sandbox.create()
    const base = new URL(sandbox.getSandboxUrl())
    assert.ok(base.hostname.endsWith('.sandbox.test'))
    assert.equal((await sandbox.runCommand('echo by host')).stdout, 'by host\n')
    const url = await sandbox.getUrl({ port: 3500, protocol: 'http' })
    assert.equal(url, `http://${base.hostname.split('.')[0]}-3500.sandbox.test`)
    assert.ok((await sandbox.getUrl({ port: 3500 })).startsWith('https://'))
    await sandbox.filesystem.writeFile('www/index.html', 'preview')
    const server = await sandbox.terminal.create()
    await server.command.run('exec python3 -m http.server 3500 -d www', { background: true })
    const preview = () => new Promise((resolve, reject) => {
      // The client's address leaves out the port that a front would have: 80.
      get({ host: '127.0.0.1', port: base.port, path: '/', headers: { Host: new URL(url).host } }, (answer) => {
        let text = ''
        answer.on('data', (piece) => (text += piece)).on('end', () => resolve([answer.statusCode, text]))
      }).on('error', reject)
    })
    const [status, text] = await until(async () => {
      const seen = await preview()
      return seen[0] !== 502 && seen
    }, 'the server listens')
    assert.deepEqual([status, text], [200, 'preview'])
    const terminal = await sandbox.terminal.create({ pty: true })
    await terminal.destroy()
    await sandbox.disconnect()
    await compute.sandbox.destroy(sandbox.sandboxId)
    assert.equal((await preview())[0], 404)
  })
})
