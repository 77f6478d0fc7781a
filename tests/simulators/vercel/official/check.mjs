// What Vercel's own client must be able to do with the simulator. Prints one line a check; exit code 1 when one fails.
// The client has no setting for where its service is: its requests are led here by its `fetch` option.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { APIError, Sandbox, Snapshot } from '@vercel/sandbox'

const base = process.env.SIMULATOR_URL
const control = (method, path, body) => fetch(`${base}/_sim${path}`, { method, body: body && JSON.stringify(body) })
const account = {
  token: process.env.VERCEL_TOKEN,
  teamId: process.env.VERCEL_TEAM_ID,
  projectId: process.env.VERCEL_PROJECT_ID,
  fetch: (input, init) => fetch(String(input).replace('https://vercel.com', base), init),
}
const until = async (condition, what) => {
  for (let i = 0; i < 400; i++) {
    if (await condition()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  assert.fail(`never: ${what}`)
}

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
const status = (number) => (error) => error instanceof APIError && error.response.status === number

const sandbox = await Sandbox.create({
  ...account, name: 'box-one', timeout: 120_000, ports: [3000], env: { FOO: 'bar' }, tags: { user: 'u 1&=%+:' },
})

await check('wrong tokens are refused', async () => {
  await assert.rejects(Sandbox.create({ ...account, token: 'vcp_bad' }), status(403))
})
await check('get, list, tags', async () => {
  const found = await Sandbox.get({ ...account, name: 'box-one' })
  assert.equal(found.status, 'running')
  assert.match(found.domain(3000), /^https:\/\/sb-.*\.vercel\.run$/)
  await assert.rejects(Sandbox.get({ ...account, name: 'nope' }), status(404))
  const others = [await Sandbox.create({ ...account }), await Sandbox.create({ ...account, runtime: 'node24' })]
  const all = []
  for await (const each of await Sandbox.list({ ...account, limit: 2 })) all.push(each.name)
  assert.deepEqual(all.sort(), ['box-one', ...others.map((each) => each.name)].sort())
  const tagged = await Sandbox.list({ ...account, tags: { user: 'u 1&=%+:' } })
  assert.deepEqual(tagged.sandboxes.map((each) => each.name), ['box-one'])
  for (const each of others) await each.delete()
})
await check('commands', async () => {
  const result = await sandbox.runCommand({
    cmd: 'sh', args: ['-c', 'echo out; echo err >&2; echo $FOO-$BAZ; pwd; exit 3'], cwd: '/tmp', env: { BAZ: 'q x' },
  })
  assert.equal(result.exitCode, 3)
  assert.equal(await result.stdout(), 'out\nbar-q x\n/tmp\n')
  assert.equal(await result.stderr(), 'err\n')
  assert.equal(await (await sandbox.runCommand('pwd')).stdout(), '/vercel/sandbox\n')
  const much = await sandbox.runCommand('sh', ['-c', 'head -c 3000000 /dev/zero | tr "\\0" x'])
  assert.equal((await much.stdout()).length, 3_000_000)
})
await check('commands that run on, their logs, their end', async () => {
  const running = await sandbox.runCommand({ cmd: 'sh', args: ['-c', 'echo hi; exec sleep 1000'], detached: true })
  for await (const line of running.logs()) {
    assert.deepEqual([line.stream, line.data], ['stdout', 'hi\n'])
    break
  }
  await running.kill('SIGKILL')
  assert.equal((await running.wait()).exitCode, 137)
  assert.equal((await (await sandbox.getCommand(running.cmdId)).wait()).exitCode, 137)
  assert.equal((await sandbox.runCommand({ cmd: 'sleep', args: ['60'], timeoutMs: 300 })).exitCode, 137)
})
await check('files', async () => {
  const bytes = randomBytes(5_000_000)
  await sandbox.writeFiles([
    { path: '/vercel/sandbox/a b.txt', content: Buffer.from('h\u00e9llo') },
    { path: 'rel/' + 'long'.repeat(40) + '.bin', content: bytes },
    { path: '/tmp/x/run.sh', content: Buffer.from('#!/bin/sh\necho ran\n'), mode: 0o755 },
  ])
  assert.equal((await sandbox.readFileToBuffer({ path: 'a b.txt' })).toString(), 'h\u00e9llo')
  assert.ok(bytes.equals(await sandbox.readFileToBuffer({ path: 'rel/' + 'long'.repeat(40) + '.bin' })))
  assert.equal(await (await sandbox.runCommand('/tmp/x/run.sh')).stdout(), 'ran\n')
  assert.equal(await sandbox.readFileToBuffer({ path: '/nope' }), null)
  await sandbox.mkDir('d1')
  await assert.rejects(sandbox.mkDir('d1'), status(400))
  assert.deepEqual((await sandbox.fs.readdir('/vercel/sandbox')).sort(), ['a b.txt', 'd1', 'rel'])
  assert.equal((await sandbox.fs.stat('/vercel/sandbox/a b.txt')).size, 6)
  await sandbox.fs.rm('/vercel/sandbox/rel', { recursive: true })
  assert.equal(await sandbox.fs.exists('/vercel/sandbox/rel'), false)
})
await check('the timeout moves, what was set changes', async () => {
  await sandbox.extendTimeout(60_000)
  assert.equal((await Sandbox.get({ ...account, name: 'box-one' })).currentSession().timeout, 180_000)
  await sandbox.update({ tags: { a: 'b' }, ports: [3000, 4000] })
  const again = await Sandbox.get({ ...account, name: 'box-one' })
  assert.deepEqual(again.tags, { a: 'b' })
  assert.equal(again.domain(3000), sandbox.domain(3000))
  assert.ok(again.domain(4000))
})
await check('stop, and what comes next resumes', async () => {
  await sandbox.runCommand('sh', ['-c', 'echo kept > /vercel/sandbox/kept'])
  await sandbox.stop()
  assert.equal((await Sandbox.get({ ...account, name: 'box-one', resume: false })).status, 'stopped')
  assert.equal(await (await sandbox.runCommand('cat', ['kept'])).stdout(), 'kept\n')
})
await check('snapshots', async () => {
  const snapshot = await sandbox.snapshot()
  const copy = await Sandbox.create({ ...account, source: { type: 'snapshot', snapshotId: snapshot.snapshotId } })
  assert.equal((await copy.readFileToBuffer({ path: 'kept' })).toString(), 'kept\n')
  await copy.delete()
  const listed = await Snapshot.list({ ...account })
  assert.ok(listed.snapshots.some((each) => each.id === snapshot.snapshotId))
  await (await Snapshot.get({ ...account, snapshotId: snapshot.snapshotId })).delete()
  await assert.rejects(
    Sandbox.create({ ...account, source: { type: 'snapshot', snapshotId: snapshot.snapshotId } }), status(410))
})
await check('rate limits are waited for', async () => {
  await control('POST', '/faults', {
    path: '/api/v2/sandboxes/box-one', status: 429, retry_after: '1', body: { error: { code: 'rate_limited', message: 'slow' } },
  })
  assert.equal((await Sandbox.get({ ...account, name: 'box-one', resume: false })).name, 'box-one')
})
await check('time ends a session', async () => {
  const brief = await Sandbox.create({ ...account, timeout: 1000, persistent: false })
  await until(async () => (await Sandbox.get({ ...account, name: brief.name, resume: false })).status === 'stopped', 'it stops')
  await assert.rejects(brief.runCommand('true'), status(410))
  await brief.delete()
})
await check('delete', async () => {
  await sandbox.delete()
  await assert.rejects(Sandbox.get({ ...account, name: 'box-one' }), status(404))
  assert.deepEqual(await (await control('GET', '/sandboxes')).json(), [])
})
process.exit(failed === 0 ? 0 : 1)
