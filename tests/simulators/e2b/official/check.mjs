// What E2B's own client must be able to do with the simulator. Prints one line a check; exit code 1 when one fails.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import {
  AuthenticationError, CommandExitError, FileType, InvalidArgumentError, NotFoundError, RateLimitError, Sandbox,
  SandboxNotFoundError, TimeoutError,
} from 'e2b'

const base = process.env.E2B_API_URL
const control = (method, path, body) =>
  fetch(`${base}/_sim${path}`, { method, body: body && JSON.stringify(body) })
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

const sandbox = await Sandbox.create('base', { timeoutMs: 120_000, metadata: { user: 'u 1&=%+', run: 'x' }, envs: { FOO: 'bar' } })

await check('wrong keys are refused', async () => {
  await assert.rejects(Sandbox.create({ apiKey: 'e2b_bad' }), AuthenticationError)
})
await check('info', async () => {
  const info = await sandbox.getInfo()
  assert.equal(info.sandboxId, sandbox.sandboxId)
  assert.equal(info.name, 'base')
  assert.equal(info.state, 'running')
  assert.equal(info.metadata.user, 'u 1&=%+')
  const left = info.endAt - info.startedAt
  assert.ok(left > 119_000 && left < 121_000, `${left}`)
  assert.equal(await sandbox.isRunning(), true)
  await assert.rejects(Sandbox.getInfo('inope'), SandboxNotFoundError)
  await assert.rejects(Sandbox.connect('inope'), SandboxNotFoundError)
})
await check('the timeout can be made longer and shorter', async () => {
  await sandbox.setTimeout(600_000)
  assert.ok((await sandbox.getInfo()).endAt - Date.now() > 590_000)
  await sandbox.setTimeout(300_000)
  assert.ok((await sandbox.getInfo()).endAt - Date.now() < 301_000)
})
await check('lists have pages and filters', async () => {
  const others = await Promise.all([1, 2].map(() => Sandbox.create({ metadata: { user: 'u2' } })))
  const paginator = Sandbox.list({ limit: 2 })
  const all = []
  let pages = 0
  while (paginator.hasNext) {
    all.push(...(await paginator.nextItems()))
    pages++
  }
  assert.equal(pages, 2)
  assert.deepEqual(all.map((each) => each.sandboxId).sort(), [sandbox, ...others].map((each) => each.sandboxId).sort())
  const found = await Sandbox.list({ query: { metadata: { user: 'u 1&=%+' }, state: ['running'] } }).nextItems()
  assert.deepEqual(found.map((each) => each.sandboxId), [sandbox.sandboxId])
  assert.deepEqual(await Sandbox.list({ query: { state: ['paused'] } }).nextItems(), [])
  for (const each of others) assert.equal(await each.kill(), true)
  assert.equal(await others[0].kill(), false)
})
await check('commands', async () => {
  const seen = []
  const result = await sandbox.commands.run('echo out; echo err >&2; echo $FOO-$BAZ; pwd', {
    envs: { BAZ: 'qux' }, cwd: '/tmp',
    onStdout: (text) => seen.push(text), onStderr: (text) => seen.push(`!${text}`),
  })
  assert.equal(result.stdout, 'out\nbar-qux\n/tmp\n')
  assert.equal(result.stderr, 'err\n')
  assert.equal(result.exitCode, 0)
  assert.ok(seen.join('').includes('!err'))
  assert.equal((await sandbox.commands.run('pwd; echo ~; echo äöü')).stdout, '/home/user\n/home/user\näöü\n')
  await assert.rejects(sandbox.commands.run('exit 3'), (error) => error instanceof CommandExitError && error.exitCode === 3)
  await assert.rejects(sandbox.commands.run('true', { cwd: '/nope' }), InvalidArgumentError)
})
await check('output comes while the command runs', async () => {
  let gate
  const opened = new Promise((resolve) => (gate = resolve))
  const running = sandbox.commands.run('echo first; while [ ! -e /tmp/gate ]; do sleep 0.02; done; echo second', {
    onStdout: (text) => text.includes('first') && gate(),
  })
  await opened
  await sandbox.files.write('/tmp/gate', '')
  assert.equal((await running).stdout, 'first\nsecond\n')
})
await check('much output', async () => {
  const result = await sandbox.commands.run('head -c 5000000 /dev/zero | tr "\\0" x')
  assert.equal(result.stdout.length, 5_000_000)
})
await check('a timeout kills', async () => {
  await assert.rejects(sandbox.commands.run('sleep 1000', { timeoutMs: 300 }), TimeoutError)
  await until(async () => (await sandbox.commands.list()).length === 0, 'the command is gone')
})
await check('background, stdin, connect, list, kill', async () => {
  const cat = await sandbox.commands.run('cat', { background: true, stdin: true })
  assert.deepEqual((await sandbox.commands.list()).map((each) => [each.pid, each.cmd, each.args]), [[cat.pid, '/bin/bash', ['-l', '-c', 'cat']]])
  let text = ''
  const other = await sandbox.commands.connect(cat.pid, { onStdout: (more) => (text += more) })
  await sandbox.commands.sendStdin(cat.pid, 'ping\n')
  await until(() => text === 'ping\n', 'the second one hears it too')
  await other.disconnect()
  await sandbox.commands.closeStdin(cat.pid)
  assert.equal((await cat.wait()).stdout, 'ping\n')

  const sleeper = await sandbox.commands.run('sleep 1000', { background: true })
  assert.equal(await sleeper.kill(), true)
  await assert.rejects(sleeper.wait(), (error) => error instanceof CommandExitError && error.exitCode === -1)
  assert.equal(await sandbox.commands.kill(sleeper.pid), false)
  await assert.rejects(sandbox.commands.connect(999999), NotFoundError)
  await sandbox.commands.run('nohup sleep 1000 > /dev/null 2>&1 &')
  assert.equal((await sandbox.commands.run('pgrep -c sleep')).stdout, '1\n')
  await sandbox.commands.run('pkill sleep')
})
await check('a terminal', async () => {
  let text = ''
  const decoder = new TextDecoder()
  const pty = await sandbox.pty.create({ cols: 80, rows: 24, onData: (bytes) => (text += decoder.decode(bytes, { stream: true })) })
  await sandbox.pty.resize(pty.pid, { cols: 100, rows: 30 })
  await sandbox.pty.sendInput(pty.pid, new TextEncoder().encode('stty size; exit\n'))
  assert.equal((await pty.wait()).exitCode, 0)
  assert.match(text, /30 100/)
  const second = await sandbox.pty.create({ cols: 80, rows: 24, onData: () => {} })
  assert.equal(await sandbox.pty.kill(second.pid), true)
})
await check('files', async () => {
  const info = await sandbox.files.write('/home/user/a b.txt', 'héllo')
  assert.deepEqual([info.name, info.type, info.path], ['a b.txt', 'file', '/home/user/a b.txt'])
  assert.equal(await sandbox.files.read('/home/user/a b.txt'), 'héllo')
  assert.equal(await sandbox.files.read('a b.txt'), 'héllo')
  await sandbox.files.write('empty', '')
  assert.equal(await sandbox.files.read('empty'), '')
  assert.equal((await sandbox.files.getInfo('empty')).size, 0)
  await assert.rejects(sandbox.files.read('/nope'), NotFoundError)
  await assert.rejects(sandbox.files.read('/home'), InvalidArgumentError)
  assert.equal(await sandbox.files.makeDir('d1/d2'), true)
  assert.equal(await sandbox.files.makeDir('d1/d2'), false)
  assert.equal(await sandbox.files.exists('d1/d2'), true)
  assert.equal(await sandbox.files.exists('d1/d3'), false)
  await sandbox.files.write('d1/f', 'x')
  const entries = await sandbox.files.list('/home/user/d1')
  assert.deepEqual(entries.map((each) => [each.name, each.type]), [['d2', FileType.DIR], ['f', FileType.FILE]])
  assert.equal(entries[1].owner, 'user')
  assert.equal(entries[1].permissions, '-rw-r--r--')
  await sandbox.files.write('d1/d2/deep', '')
  assert.equal((await sandbox.files.list('d1', { depth: 2 })).length, 3)
  await sandbox.files.remove('d1/d2/deep')
  assert.deepEqual(await sandbox.files.list('d1/d2'), [])
  await assert.rejects(sandbox.files.list('/nope'), NotFoundError)
  assert.equal((await sandbox.files.rename('a b.txt', '/tmp/new/c')).path, '/tmp/new/c')
  await sandbox.files.remove('/tmp/new')
  await sandbox.files.remove('/tmp/new')
  assert.equal(await sandbox.files.exists('/tmp/new/c'), false)
  await sandbox.commands.run('ln -s /etc/passwd link')
  const link = await sandbox.files.getInfo('link')
  assert.deepEqual([link.type, link.symlinkTarget], ['symlink', '/etc/passwd'])
  await sandbox.files.remove('link')
})
await check('big binary files', async () => {
  const bytes = new Uint8Array(randomBytes(20_000_000))
  await sandbox.files.write('/tmp/big', bytes.buffer)
  assert.ok(Buffer.from(bytes).equals(Buffer.from(await sandbox.files.read('/tmp/big', { format: 'bytes' }))))
  await sandbox.files.write('/tmp/big2', bytes.buffer, { useOctetStream: true })
  await sandbox.files.write('/tmp/big3', bytes.buffer, { gzip: true })
  assert.equal((await sandbox.commands.run('cmp /tmp/big /tmp/big2 && cmp /tmp/big /tmp/big3 && rm /tmp/big*')).exitCode, 0)
  const many = await sandbox.files.write([{ path: '/tmp/m/1', data: 'one' }, { path: '/tmp/m/2', data: 'two' }])
  assert.deepEqual(many.map((each) => each.path), ['/tmp/m/1', '/tmp/m/2'])
  assert.equal(await sandbox.files.read('/tmp/m/2'), 'two')
  await sandbox.files.write('/tmp/s', new Blob(['streamed']).stream())
  let text = ''
  for await (const piece of await sandbox.files.read('/tmp/s', { format: 'stream' })) text += new TextDecoder().decode(piece)
  assert.equal(text, 'streamed')
})
await check('signed addresses', async () => {
  const up = await sandbox.uploadUrl('/tmp/signed')
  const form = new FormData()
  form.append('file', new Blob(['by url']), 'x')
  const headers = { 'E2b-Sandbox-Id': sandbox.sandboxId, 'E2b-Sandbox-Port': '49983' }
  assert.equal((await fetch(up, { method: 'POST', body: form, headers })).status, 200)
  const down = await sandbox.downloadUrl('/tmp/signed', { useSignatureExpiration: 60_000 })
  assert.equal(await (await fetch(down, { headers })).text(), 'by url')
  assert.equal((await fetch(down.replace('signed', 'other'), { headers })).status, 401)
})
await check('watching a folder', async () => {
  const seen = []
  const handle = await sandbox.files.watchDir('/home/user/d1', (event) => seen.push(`${event.type} ${event.name}`), { recursive: true })
  await sandbox.files.write('/home/user/d1/w', 'x')
  await sandbox.commands.run('mkdir /home/user/d1/d2/e; chmod 700 d1/w; rm d1/w')
  for (const wanted of ['create w', 'write w', 'create d2/e', 'chmod w', 'remove w']) {
    await until(() => seen.includes(wanted), `${wanted} in ${seen}`)
  }
  await handle.stop()
  await assert.rejects(sandbox.files.watchDir('/nope', () => {}), NotFoundError)
})
await check('pause and connect', async () => {
  const sleeper = await sandbox.commands.run('sleep 1000', { background: true })
  assert.equal(await sandbox.pause(), true)
  assert.equal(await sandbox.pause(), false)
  assert.equal((await Sandbox.getInfo(sandbox.sandboxId)).state, 'paused')
  assert.equal(await sandbox.isRunning(), false)
  const again = await sandbox.connect({ timeoutMs: 300_000 })
  assert.equal(again.sandboxId, sandbox.sandboxId)
  assert.deepEqual((await sandbox.commands.list()).map((each) => each.pid), [sleeper.pid])
  assert.equal(await sandbox.commands.kill(sleeper.pid), true)
  assert.equal(await sandbox.pause({ keepMemory: false }), true)
  await sandbox.connect()
})
await check('snapshots', async () => {
  await sandbox.files.write('/home/user/kept', 'yes')
  const made = await sandbox.createSnapshot({ name: 'keep' })
  const listed = await Sandbox.listSnapshots({ sandboxId: sandbox.sandboxId }).nextItems()
  assert.deepEqual(listed, [made])
  const copy = await Sandbox.create(made.snapshotId)
  assert.equal(await copy.files.read('kept'), 'yes')
  assert.equal((await copy.commands.run('echo $FOO')).stdout, 'bar\n')
  await copy.kill()
  assert.equal(await Sandbox.deleteSnapshot(made.snapshotId), true)
  assert.equal(await Sandbox.deleteSnapshot(made.snapshotId), false)
  await assert.rejects(Sandbox.create(made.snapshotId), /404/)
})
await check('metrics and templates', async () => {
  assert.equal((await sandbox.getMetrics())[0].cpuCount, 2)
  const list = await (await fetch(`${base}/templates`, { headers: { 'X-API-Key': process.env.E2B_API_KEY } })).json()
  assert.deepEqual(list.map((each) => each.aliases[0]), ['base', 'code-interpreter-v1'])
})
await check('rate limits are waited for, others are told', async () => {
  const path = `/sandboxes/${sandbox.sandboxId}`
  await control('POST', '/faults', { path, status: 429, retry_after: '1', body: { code: 429, message: 'slow down' } })
  assert.equal((await sandbox.getInfo()).state, 'running')
  await control('POST', '/faults', { path, status: 429, body: { code: 429, message: 'too many sandboxes' } })
  await assert.rejects(sandbox.getInfo(), RateLimitError)
})
await check('an answer that is lost leaves a sandbox', async () => {
  const before = await (await control('GET', '/sandboxes')).json()
  await control('POST', '/faults', { path: '/v2/sandboxes', method: 'POST', applied_then_reset: true })
  await assert.rejects(Sandbox.create())
  const after = await (await control('GET', '/sandboxes')).json()
  assert.equal(after.length, before.length + 1)
})
await check('credentials go where they belong', async () => {
  const requests = await (await control('GET', '/requests')).json()
  for (const { target, headers } of requests) {
    const envd = 'e2b-sandbox-id' in headers
    assert.equal('x-api-key' in headers, !envd, target)
  }
})
await check('time ends a sandbox', async () => {
  const brief = await Sandbox.create({ timeoutMs: 1000 })
  await until(async () => !(await brief.isRunning()), 'it ends')
  await assert.rejects(brief.commands.run('true'), SandboxNotFoundError)
  await assert.rejects(brief.files.list('/'), TimeoutError)
  await assert.rejects(brief.getInfo(), SandboxNotFoundError)
  const pausing = await Sandbox.create({ timeoutMs: 1000, lifecycle: { onTimeout: 'pause' } })
  await until(async () => (await pausing.getInfo()).state === 'paused', 'it pauses')
  await pausing.kill()
})
await check('kill', async () => {
  const running = await sandbox.commands.run('sleep 1000', { background: true })
  assert.equal(await sandbox.kill(), true)
  await assert.rejects(running.wait())
  assert.equal(await sandbox.isRunning(), false)
  assert.equal(await sandbox.kill(), false)
})
process.exit(failed === 0 ? 0 : 1)
