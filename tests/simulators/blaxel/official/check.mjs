// What Blaxel's own client must be able to do with the simulator. Prints one line a check; exit code 1 when one fails.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { SandboxInstance, Snapshot } from '@blaxel/core'

const base = process.env.SIMULATOR
const control = (method, path, body) =>
  fetch(`${base}/_sim${path}`, { method, body: body && JSON.stringify(body) })

let failed = 0
const check = async (name, body) => {
  try {
    await body()
    console.log(`ok   ${name}`)
  } catch (error) {
    failed++
    console.log(`FAIL ${name}: ${error.stack ?? JSON.stringify(error)}`)
  }
}
const statusOf = (error) => error.status ?? error.code ?? error.error?.code
const rejects = (promise, status) =>
  assert.rejects(promise, (error) => (assert.equal(Number(statusOf(error)), status, JSON.stringify(error)), true))

const box = await SandboxInstance.create({
  name: 'box-one', image: 'blaxel/base-image:latest', memory: 2048, ttl: '300s',
  envs: [{ name: 'FOO', value: 'bar' }], ports: [{ target: 3000, protocol: 'HTTP' }], labels: { user: 'u1' },
})

await check('info', async () => {
  const info = await SandboxInstance.get('box-one')
  assert.deepEqual([info.metadata.name, info.status, info.metadata.labels.user], ['box-one', 'DEPLOYED', 'u1'])
  assert.equal(info.spec.runtime.memory, 2048)
  assert.ok(info.expiresIn > 250 && info.expiresIn <= 300)
  await rejects(SandboxInstance.get('nope'), 404)
})
await check('a name is taken once', async () => {
  assert.equal((await SandboxInstance.createIfNotExists({ name: 'box-one' })).metadata.name, 'box-one')
  await assert.rejects(SandboxInstance.create({ name: 'box-one' }))
})
await check('lists have pages', async () => {
  const others = await Promise.all(['b', 'c'].map((name) => SandboxInstance.create({ name })))
  const seen = []
  for await (const each of await SandboxInstance.list({ limit: 2 })) seen.push(each.metadata.name)
  assert.deepEqual(seen.sort(), ['b', 'box-one', 'c'])
  for (const each of others) await each.delete()
  await rejects(SandboxInstance.get('b'), 404)
})
await check('a longer life and other labels', async () => {
  await SandboxInstance.updateTtl('box-one', '3600s')
  assert.ok((await SandboxInstance.get('box-one')).expiresIn > 3500)
  await SandboxInstance.updateMetadata('box-one', { labels: { user: 'u2' } })
  assert.equal((await SandboxInstance.get('box-one')).metadata.labels.user, 'u2')
})
await check('commands', async () => {
  const result = await box.process.exec({ command: 'echo out; echo err >&2; echo $FOO; pwd; exit 3', waitForCompletion: true })
  assert.deepEqual([result.stdout, result.stderr, result.exitCode, result.status],
    ['out\nbar\n/blaxel\n', 'err\n', 3, 'failed'])
  const there = await box.process.exec({
    command: 'pwd; echo $A', workingDir: '/tmp', env: { A: 'a b' }, waitForCompletion: true,
  })
  assert.equal(there.stdout, '/tmp\na b\n')
})
await check('output comes while the command runs', async () => {
  let gate
  const opened = new Promise((resolve) => (gate = resolve))
  const seen = []
  const running = box.process.exec({
    command: 'echo first; while [ ! -e /tmp/gate ]; do sleep 0.02; done; echo second; echo e >&2',
    waitForCompletion: true,
    onStdout: (text) => (seen.push(text.trim()), gate()), onStderr: (text) => seen.push(`!${text.trim()}`),
  })
  await opened
  await box.fs.write('/tmp/gate', '')
  assert.equal((await running).exitCode, 0)
  assert.deepEqual(seen.sort(), ['!e', 'first', 'second'])
})
await check('background commands', async () => {
  const started = await box.process.exec({ name: 'long', command: 'echo up; sleep 1000' })
  assert.equal(started.status, 'running')
  assert.ok((await box.process.list()).some((each) => each.name === 'long'))
  await box.process.kill('long')
  assert.equal((await box.process.wait('long', { maxWait: 5000, interval: 50 })).status, 'killed')
  assert.equal(await box.process.logs('long', 'stdout'), 'up\n')
})
await check('files', async () => {
  await box.fs.write('/tmp/a b.txt', 'héllo')
  assert.equal(await box.fs.read('/tmp/a b.txt'), 'héllo')
  await assert.rejects(box.fs.read('/nope'))
  await box.fs.mkdir('/tmp/d1/d2')
  assert.deepEqual((await box.fs.ls('/tmp/d1')).subdirectories.map((each) => each.name), ['d2'])
  await box.fs.rm('/tmp/d1', true)
  await assert.rejects(box.fs.ls('/tmp/d1'))
  for (const size of [100_000, 7_000_000]) {
    const bytes = randomBytes(size)
    await box.fs.writeBinary('/tmp/bin', bytes)
    const back = Buffer.from(await (await box.fs.readBinary('/tmp/bin')).arrayBuffer())
    assert.ok(bytes.equals(back), `${size} bytes`)
  }
})
await check('previews', async () => {
  const wanted = { metadata: { name: 'p' }, spec: { port: 3000, public: false } }
  const made = await box.previews.createIfNotExists(wanted)
  assert.match(made.spec.url, /^https:\/\//)
  assert.equal((await box.previews.createIfNotExists(wanted)).spec.url, made.spec.url)
  assert.ok((await made.tokens.create(new Date(Date.now() + 60_000))).value)
})
await check('snapshots and forks', async () => {
  await box.fs.write('/blaxel/kept', 'then')
  const snapshot = await box.snapshots.create('keep')
  assert.deepEqual((await box.snapshots.list()).map((each) => each.name), ['keep'])
  assert.equal((await Snapshot.get(snapshot.id)).status, 'ready')
  await box.fs.write('/blaxel/kept', 'now')
  await (await Snapshot.get(snapshot.id)).fork('copy', { envs: [{ name: 'MORE', value: '1' }] })
  const copy = await SandboxInstance.get('copy')
  assert.equal(await copy.fs.read('/blaxel/kept'), 'then')
  assert.equal((await copy.process.exec({ command: 'echo $FOO$MORE', waitForCompletion: true })).stdout, 'bar1\n')
  await copy.delete()
  assert.equal((await box.fork('live')).name, 'live')
  const live = await SandboxInstance.get('live')
  assert.equal(await live.fs.read('/blaxel/kept'), 'now')
  await live.delete()
  await box.snapshots.restore(snapshot.id)
  assert.equal(await box.fs.read('/blaxel/kept'), 'then')
  const ids = []
  for await (const each of await Snapshot.list({ limit: 1 })) ids.push(each.id)
  assert.deepEqual(ids, [snapshot.id])
  await Snapshot.delete(snapshot.id)
  await rejects(Snapshot.get(snapshot.id), 404)
})
await check('a read of a waking sandbox is repeated', async () => {
  await control('POST', '/faults', { path: '/sbx/box-one/filesystem', method: 'GET', status: 503 })
  assert.equal(await box.fs.read('/blaxel/kept'), 'then')
})
await check('gone is gone', async () => {
  await box.delete()
  await rejects(SandboxInstance.get('box-one'), 404)
  assert.deepEqual(await (await control('GET', '/sandboxes')).json(), [])
})
process.exit(failed === 0 ? 0 : 1)
