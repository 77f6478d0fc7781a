// What Runloop's own client must be able to do with the simulator. Prints one line a check; exit code 1 when one fails.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import Runloop, { RunloopSDK, toFile } from '@runloop/api-client'

const base = process.env.RUNLOOP_BASE_URL
const control = (method, path, body) =>
  fetch(`${base}/_sim${path}`, { method, body: body && JSON.stringify(body) })

let failed = 0
const check = async (name, body) => {
  try {
    await body()
    console.log(`ok   ${name}`)
  } catch (error) {
    failed++
    console.log(`FAIL ${name}: ${error.stack}`)
  }
}

// The simulator speaks HTTP/1.1, as the service does beside HTTP/2.
const sdk = new RunloopSDK({ http2: false })
const api = sdk.api
const box = await sdk.devbox.create({
  name: 'box-one', metadata: { user: 'u 1&=%+' }, environment_variables: { FOO: 'bar' },
  launch_parameters: { keep_alive_time_seconds: 120 },
})

await check('wrong keys are refused', async () => {
  const other = new Runloop({ bearerToken: 'bad', http2: false, maxRetries: 0 })
  await assert.rejects(other.devboxes.retrieve(box.id), Runloop.AuthenticationError)
})
await check('info', async () => {
  const info = await box.getInfo()
  assert.deepEqual([info.id, info.name, info.status, info.metadata.user], [box.id, 'box-one', 'running', 'u 1&=%+'])
  assert.equal(info.launch_parameters.keep_alive_time_seconds, 120)
  await assert.rejects(api.devboxes.retrieve('dbx_nope'), Runloop.NotFoundError)
  assert.equal((await api.devboxes.update(box.id, { name: 'renamed' })).name, 'renamed')
  await box.keepAlive()
})
await check('lists have pages', async () => {
  const others = await Promise.all([1, 2].map(() => api.devboxes.createAndAwaitRunning({})))
  const seen = []
  for await (const each of api.devboxes.list({ limit: 2 })) seen.push(each.id)
  assert.deepEqual(seen.sort(), [box.id, ...others.map((each) => each.id)].sort())
  for (const each of others) assert.equal((await api.devboxes.shutdown(each.id)).status, 'shutdown')
  const alive = []
  for await (const each of api.devboxes.list({ status: 'running' })) alive.push(each.id)
  assert.deepEqual(alive, [box.id])
})
await check('commands', async () => {
  const result = await box.cmd.exec('echo out; echo err >&2; echo $FOO; pwd; exit 3')
  assert.deepEqual([await result.stdout(), await result.stderr(), result.exitCode], ['out\nbar\n/home/user\n', 'err\n', 3])
  const many = await box.cmd.exec('seq 1 5000')
  assert.equal((await many.stdout()).split('\n').length, 5001)
  const long = await box.cmd.exec('sleep 2.5; echo late', { optimistic_timeout: 1 })
  assert.equal(await long.stdout(), 'late\n')
})
await check('output comes while the command runs', async () => {
  let gate
  const opened = new Promise((resolve) => (gate = resolve))
  const seen = []
  const running = box.cmd.exec('echo first; while [ ! -e /tmp/gate ]; do sleep 0.02; done; echo second; echo e >&2', {
    stdout: (text) => (seen.push(text), gate()), stderr: (text) => seen.push(`!${text}`),
  })
  await opened
  await box.file.write({ file_path: '/tmp/gate', contents: '' })
  assert.equal((await running).exitCode, 0)
  assert.deepEqual(seen.sort(), ['!e\n', 'first\n', 'second\n'])
})
await check('kill and input', async () => {
  const sleeper = await box.cmd.execAsync('sleep 1000')
  await sleeper.kill()
  assert.equal((await sleeper.result()).exitCode, 137)
  const cat = await box.cmd.execAsync('cat', { attach_stdin: true })
  const sent = await api.devboxes.executions.sendStdIn(box.id, cat.executionId, { text: 'ping\n' })
  assert.equal(sent.success, true)
  await api.devboxes.executions.sendStdIn(box.id, cat.executionId, { text: '', signal: 'EOF' })
  assert.equal(await (await cat.result()).stdout(), 'ping\n')
})
await check('named shells', async () => {
  const shell = box.shell('s')
  await shell.exec('cd /tmp; export V=9')
  assert.equal(await (await shell.exec('pwd; echo $V')).stdout(), '/tmp\n9\n')
})
await check('files', async () => {
  await box.file.write({ file_path: '/home/user/a b.txt', contents: 'héllo' })
  assert.equal(await box.file.read({ file_path: '/home/user/a b.txt' }), 'héllo')
  assert.equal(await box.file.read({ file_path: 'a b.txt' }), 'héllo')
  await assert.rejects(box.file.read({ file_path: '/nope' }), Runloop.NotFoundError)
  const bytes = randomBytes(5_000_000)
  await box.file.upload({ path: '/tmp/bin', file: await toFile(bytes, 'bin') })
  const back = Buffer.from(await (await box.file.download({ path: '/tmp/bin' })).arrayBuffer())
  assert.ok(bytes.equals(back))
})
await check('tunnels', async () => {
  const tunnel = await box.net.enableTunnel({ auth_mode: 'open' })
  assert.equal((await box.net.enableTunnel()).tunnel_key, tunnel.tunnel_key)
  assert.equal((await box.getTunnel()).tunnel_key, tunnel.tunnel_key)
  assert.equal(await box.getTunnelUrl(8080), `https://8080-${tunnel.tunnel_key}.tunnel.${new URL(base).hostname}`)
})
await check('suspend and resume', async () => {
  await box.file.write({ file_path: 'kept', contents: 'yes' })
  assert.equal((await box.suspend()).status, 'suspended')
  await assert.rejects(box.cmd.exec('true', {}, { maxRetries: 0 }), Runloop.BadRequestError)
  assert.equal((await box.resume()).status, 'running')
  assert.equal(await box.file.read({ file_path: 'kept' }), 'yes')
})
await check('snapshots', async () => {
  const snapshot = await box.snapshotDisk({ name: 'keep' })
  const listed = []
  for await (const each of api.devboxes.listDiskSnapshots({ devbox_id: box.id })) listed.push(each.name)
  assert.deepEqual(listed, ['keep'])
  const copy = await sdk.devbox.createFromSnapshot(snapshot.id)
  assert.equal(await copy.file.read({ file_path: 'kept' }), 'yes')
  await copy.shutdown()
  await snapshot.delete()
  await assert.rejects(api.devboxes.create({ snapshot_id: snapshot.id }), Runloop.NotFoundError)
})
await check('blueprints', async () => {
  const made = await sdk.blueprint.create({ name: 'mine', system_setup_commands: ['echo set up > /tmp/s'] })
  const names = []
  for await (const each of api.blueprints.list()) names.push(each.name)
  assert.deepEqual(names, ['mine', 'base'])
  const other = await sdk.devbox.createFromBlueprintName('mine')
  assert.equal(await other.file.read({ file_path: '/tmp/s' }), 'set up\n')
  await other.shutdown()
  await api.blueprints.delete(made.id)
})
await check('rate limits are waited for', async () => {
  await control('POST', '/faults', { path: `/v1/devboxes/${box.id}`, status: 429, retry_after: '1', body: { message: 'slow down' } })
  assert.equal((await box.getInfo()).status, 'running')
})
await check('a devbox that was shut down stays readable', async () => {
  await box.shutdown()
  assert.equal((await box.getInfo()).status, 'shutdown')
  assert.deepEqual(await (await control('GET', '/sandboxes')).json(), [])
})
process.exit(failed === 0 ? 0 : 1)
