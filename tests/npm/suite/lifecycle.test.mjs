// compute.sandbox.*: making, finding again, longer life, the end; and what is said when it cannot be done.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect, isV1, isV2, library } from '../support/client.mjs'
import { until } from '../support/events.mjs'
import { startGateway } from '../support/gateway.mjs'

describe('lifecycle', () => {
  let gateway, compute
  before(async () => {
    gateway = await startGateway(['--max-timeout', '2h'])
    compute = connect(gateway.url, gateway.apiKey)
  })
  after(() => gateway.stop())

  test('create with options, info, destroy', async () => {
    const sandbox = await compute.sandbox.create({
      timeout: 600_000, envs: { GREETING: "it's" }, metadata: { user: 'u1', depth: { of: 2 } }, anythingElse: [1],
    })
    assert.match(sandbox.sandboxId, /^[A-Za-z0-9_-]+$/)
    assert.equal(sandbox.provider, 'local')
    assert.equal((await sandbox.runCommand('echo $GREETING')).stdout, "it's\n")
    const info = await sandbox.getInfo()
    assert.equal(info.id, sandbox.sandboxId)
    assert.equal(info.metadata.user, 'u1')
    assert.deepEqual(info.metadata.depth, { of: 2 })
    assert.notEqual(sandbox.getToken(), gateway.apiKey)
    assert.equal((await sandbox.health()).status, 'ok')
    const server = await sandbox.getServerInfo()
    assert.equal(server.data.auth_enabled, true)
    assert.equal(server.data.sandbox_count, 1)
    assert.equal(server.data.sandbox_url, sandbox.getSandboxUrl())
    if (isV2) await sandbox.destroy()
    else await compute.sandbox.destroy(sandbox.sandboxId)
    assert.equal(await compute.sandbox.getById(sandbox.sandboxId), null)
    await compute.sandbox.destroy(sandbox.sandboxId)
  })

  test('by id, also from another client', async () => {
    const sandbox = await compute.sandbox.create({ metadata: { of: 'first' } })
    await sandbox.filesystem.writeFile('note', 'kept')
    const again = await connect(`${gateway.url}/`, gateway.apiKey).sandbox.getById(sandbox.sandboxId)
    assert.equal(again.sandboxId, sandbox.sandboxId)
    assert.equal(await again.filesystem.readFile('note'), 'kept')
    assert.equal((await again.getInfo()).metadata.of, 'first')
    await sandbox.disconnect()
    await compute.sandbox.destroy(sandbox.sandboxId)
    await assert.rejects(again.runCommand('true'))
    assert.equal(await compute.sandbox.getById('no-such-sandbox'), null)
  })

  test('v1 destroy only closes the connection', { skip: isV2 }, async () => {
    const sandbox = await compute.sandbox.create()
    await sandbox.destroy()
    assert.equal((await sandbox.runCommand('echo on')).stdout, 'on\n')
    await compute.sandbox.destroy(sandbox.sandboxId)
  })

  test('the timeout ends it, extendTimeout puts it off', async () => {
    const [short, longer] = await Promise.all([
      compute.sandbox.create({ timeout: 3000 }), compute.sandbox.create({ timeout: 3000 })])
    await compute.sandbox.extendTimeout(longer.sandboxId, { duration: 60_000 })
    await compute.sandbox.extendTimeout(longer.sandboxId)
    // Asked by hand: the client goes on for minutes when a sandbox ends between its finding and its first call.
    const headers = { 'X-ComputeSDK-API-Key': gateway.apiKey }
    await until(async () => (await fetch(`${gateway.url}/v1/sandboxes/${short.sandboxId}`, { headers })).status === 404,
      'the short one ends')
    assert.equal(await compute.sandbox.getById(short.sandboxId), null)
    assert.equal((await longer.runCommand('echo on')).stdout, 'on\n')
    await compute.sandbox.extendTimeout('no-such-sandbox')
    await assert.rejects(compute.sandbox.extendTimeout(longer.sandboxId, { duration: -5 }), /duration/)
    await compute.sandbox.destroy(longer.sandboxId)
  })

  test('list is refused by the client itself', () => assert.rejects(compute.sandbox.list(), /does not support listing/))

  test('wrong types are refused by name', async () => {
    await assert.rejects(compute.sandbox.create({ timeout: 'soon' }), /Gateway API error: .*timeout/s)
    await assert.rejects(compute.sandbox.create({ timeout: -1 }), /timeout/)
    await assert.rejects(compute.sandbox.create({ envs: ['A'] }), /envs/)
    await assert.rejects(compute.sandbox.findOrCreate({ name: '' }), /name/)
  })

  test('a provider by name, in the call', async () => {
    const sandbox = await compute.sandbox.create({ provider: 'local' })
    assert.equal(sandbox.provider, 'local')
    await compute.sandbox.destroy(sandbox.sandboxId)
    await assert.rejects(compute.sandbox.create({ provider: 'acme' }), /acme.*local/s)
  })

  test('a wrong key, and no configuration', async () => {
    await assert.rejects(connect(gateway.url, 'wrong').sandbox.create(), /Invalid ComputeSDK API key/)
    await assert.rejects(connect(gateway.url, 'wrong').sandbox.getById('x'), /Invalid ComputeSDK API key/)
    assert.throws(() => connect(gateway.url, ''), /Missing ComputeSDK API key/)
    compute = connect(gateway.url, gateway.apiKey) // version 1 has one instance for all
  })

  test("another workspace's sandbox is not there", async () => {
    const sandbox = await compute.sandbox.create({ timeout: 60_000 })
    const other = connect(gateway.url, gateway.key('--workspace', '7'))
    assert.equal(await other.sandbox.getById(sandbox.sandboxId), null)
    await other.sandbox.destroy(sandbox.sandboxId)
    compute = connect(gateway.url, gateway.apiKey)
    assert.equal((await sandbox.runCommand('echo on')).stdout, 'on\n')
    await compute.sandbox.destroy(sandbox.sandboxId)
  })

  test('header X-Provider: local, for who extends the tables', async () => {
    library.PROVIDER_AUTH.local = [[]]
    library.PROVIDER_HEADERS.local = {}
    const own = library.compute({
      provider: 'local', apiKey: gateway.apiKey, computesdkApiKey: gateway.apiKey, gatewayUrl: gateway.url,
    })
    const sandbox = await own.sandbox.create({ timeout: 60_000 })
    assert.equal(sandbox.provider, 'local')
    await own.sandbox.destroy(sandbox.sandboxId)
  })

  test('snapshots bring back files', { skip: isV1 }, async () => {
    const sandbox = await compute.sandbox.create({ timeout: 60_000 })
    await sandbox.runCommand('echo before > kept')
    const snapshot = await compute.snapshot.create(sandbox.sandboxId, { name: 'one', metadata: { why: 'test' } })
    assert.equal(snapshot.provider, 'local')
    assert.ok(Math.abs(snapshot.createdAt - Date.now()) < 60_000)
    await sandbox.runCommand('echo after > kept')
    assert.ok((await compute.snapshot.list()).some((one) => one.id === snapshot.id))
    const restored = await compute.sandbox.create({ snapshotId: snapshot.id, timeout: 60_000 })
    assert.equal((await restored.runCommand('cat kept')).stdout, 'before\n')
    await restored.destroy()
    await sandbox.destroy()
    await compute.snapshot.delete(snapshot.id)
    assert.deepEqual(await compute.snapshot.list(), [])
    await compute.snapshot.delete(snapshot.id)
  })
})
