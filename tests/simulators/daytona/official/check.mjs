// What Daytona's own client must be able to do with the simulator. Prints one line a check; exit code 1 when one fails.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Daytona, DaytonaError, DaytonaNotFoundError, DaytonaRateLimitError, Image } from '@daytonaio/sdk'

const base = process.env.DAYTONA_API_URL.replace(/\/api$/, '')
const control = (method, path, body) => fetch(`${base}/_sim${path}`, { method, body: body && JSON.stringify(body) })
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

const daytona = new Daytona()
const sandbox = await daytona.create({ name: 'box-one', envVars: { FOO: 'bar' }, labels: { user: 'u1', odd: 'a=b&c "d"' }, autoStopInterval: 20, ttlMinutes: 90 })
const { process: commands, fs: files } = sandbox

await check('wrong keys are refused', async () => {
  const other = new Daytona({ apiKey: 'bad' })
  await assert.rejects(other.get(sandbox.id), (error) => error instanceof DaytonaError && error.statusCode === 401)
})
await check('a token of the web, with an organization', async () => {
  const jwt = { jwtToken: 'eyJhbGciOiJub25lIn0.e30.simulator', organizationId: '5f9e0f0e-0000-4000-8000-00000000a0a0' }
  const key = process.env.DAYTONA_API_KEY
  delete process.env.DAYTONA_API_KEY
  try {
    assert.equal((await new Daytona(jwt).get('box-one')).id, sandbox.id)
  } finally {
    process.env.DAYTONA_API_KEY = key
  }
})
await check('what a sandbox is', async () => {
  const found = await daytona.get('box-one')
  assert.equal(found.id, sandbox.id)
  assert.equal(found.state, 'started')
  assert.equal(found.labels.odd, 'a=b&c "d"')
  assert.equal(found.autoStopInterval, 20)
  assert.ok(new Date(found.autoDestroyAt) - Date.now() > 89 * 60_000)
  await assert.rejects(daytona.get('nope'), DaytonaNotFoundError)
  await assert.rejects(daytona.create({ name: 'box-one' }), (error) => error.statusCode === 409)
  await assert.rejects(daytona.create({ snapshot: 'nope' }), DaytonaNotFoundError)
  assert.equal(await sandbox.getUserHomeDir(), '/home/daytona')
  assert.equal(await sandbox.getWorkDir(), '/home/daytona')
})
await check('of an image, with resources', async () => {
  const made = await daytona.create({ image: 'debian:12', resources: { cpu: 2, memory: 4, disk: 8 } })
  assert.deepEqual([made.cpu, made.memory, made.disk, made.name], [2, 4, 8, made.id])
  await made.delete()
  await until(async () => !(await (await control('GET', '/sandboxes')).json()).includes(made.id), 'it is gone')
})
await check('intervals, labels, activity', async () => {
  await sandbox.setAutostopInterval(60)
  await sandbox.setTtl(120)
  await sandbox.setLabels({ user: 'u2' })
  await sandbox.refreshActivity()
  await sandbox.refreshData()
  assert.equal(sandbox.autoStopInterval, 60)
  assert.deepEqual(sandbox.labels, { user: 'u2' })
  assert.ok(new Date(sandbox.autoDestroyAt) - Date.now() > 119 * 60_000)
})
await check('lists have pages and filters', async () => {
  const others = await Promise.all([1, 2].map(() => daytona.create({ labels: { user: 'u3' } })))
  const ids = async (query) => {
    const all = []
    for await (const each of daytona.list(query)) all.push(each.id)
    return all.sort()
  }
  assert.deepEqual(await ids({ limit: 2 }), [sandbox, ...others].map((each) => each.id).sort())
  assert.deepEqual(await ids({ labels: { user: 'u2' } }), [sandbox.id])
  assert.deepEqual(await ids({ labels: { user: 'nobody' } }), [])
  for (const each of others) await daytona.delete(each)
})
await check('commands', async () => {
  const both = await commands.executeCommand('echo out; echo err >&2; exit 3')
  assert.deepEqual([both.exitCode, both.result], [3, 'out\nerr\n'])
  const placed = await commands.executeCommand('pwd; echo $FOO-$BAZ', '/tmp', { BAZ: 'q x' })
  assert.equal(placed.result, '/tmp\nbar-q x\n')
  await assert.rejects(commands.executeCommand('sleep 1000', undefined, undefined, 1), (error) => error.statusCode === 408)
  assert.equal((await commands.codeRun('print(6*7)')).result, '42\n')
})
await check('sessions keep what a shell knows', async () => {
  await commands.createSession('s1')
  await commands.executeSessionCommand('s1', { command: 'cd /tmp && export V=9' })
  const result = await commands.executeSessionCommand('s1', { command: 'echo $PWD-$V; echo err >&2; false' })
  assert.deepEqual([result.exitCode, result.stdout, result.stderr], [1, '/tmp-9\n', 'err\n'])
  const session = await commands.getSession('s1')
  assert.deepEqual(session.commands.map((each) => each.exitCode), [0, 1])
  await assert.rejects(commands.createSession('s1'), (error) => error.statusCode === 409)
  assert.equal((await commands.listSessions()).length, 1)
})
await check('output comes while a command runs, the streams apart', async () => {
  const { cmdId } = await commands.executeSessionCommand('s1', {
    command: 'echo first; while [ ! -e /tmp/gate ]; do sleep 0.02; done; echo second; echo err >&2; exit 5', runAsync: true,
  })
  let out = '', error = ''
  const followed = commands.getSessionCommandLogs('s1', cmdId, (text) => (out += text), (text) => (error += text))
  await until(() => out === 'first\n', 'the first line')
  assert.equal((await commands.getSessionCommand('s1', cmdId)).exitCode, undefined)
  await files.uploadFile(Buffer.from(''), '/tmp/gate')
  await followed
  assert.deepEqual([out, error], ['first\nsecond\n', 'err\n'])
  assert.equal((await commands.getSessionCommand('s1', cmdId)).exitCode, 5)
  const logs = await commands.getSessionCommandLogs('s1', cmdId)
  assert.deepEqual([logs.stdout, logs.stderr], ['first\nsecond\n', 'err\n'])
})
await check('much output', async () => {
  const { cmdId } = await commands.executeSessionCommand('s1', { command: 'for i in $(seq 1 200000); do echo line $i; done', runAsync: true })
  let size = 0
  // This client lets a mark through that two messages share.
  await commands.getSessionCommandLogs('s1', cmdId, (text) => (size += text.replaceAll('\x01', '').length), () => {})
  assert.equal(size, 2_288_895)
})
await check('input, and the end of a session', async () => {
  const { cmdId } = await commands.executeSessionCommand('s1', { command: 'read a; echo "<$a>"; exec sleep 4711', runAsync: true, suppressInputEcho: true })
  await commands.sendSessionCommandInput('s1', cmdId, 'hello')
  await until(async () => (await commands.getSessionCommandLogs('s1', cmdId)).stdout === '<hello>\n', 'the answer')
  await commands.deleteSession('s1')
  await until(async () => (await commands.executeCommand('pgrep -cf "sleep 471[1]"')).result === '0\n', 'its programs end')
  await assert.rejects(commands.getSession('s1'), DaytonaNotFoundError)
})
await check('a terminal', async () => {
  let text = ''
  const decoder = new TextDecoder()
  const pty = await commands.createPty({
    id: 'p1', cols: 80, rows: 24, envs: { GREETING: 'hi there' }, cwd: '/tmp', onData: (bytes) => (text += decoder.decode(bytes, { stream: true })),
  })
  await pty.waitForConnection()
  await pty.resize(100, 30)
  await pty.sendInput('stty size; echo "$GREETING"; pwd; exit 4\n')
  const result = await pty.wait()
  assert.equal(result.exitCode, 4)
  assert.match(text, /30 100[^]*hi there[^]*\/tmp/)
  assert.deepEqual((await commands.listPtySessions()).map((each) => each.id), ['p1'])
})
await check('files', async () => {
  await files.uploadFile(Buffer.from('héllo'), 'a b.txt')
  assert.equal((await files.downloadFile('/home/daytona/a b.txt')).toString(), 'héllo')
  await assert.rejects(files.downloadFile('/nope'), DaytonaNotFoundError)
  await files.createFolder('d1/d2', '755')
  assert.equal((await files.getFileDetails('d1/d2')).isDir, true)
  await assert.rejects(files.getFileDetails('/zzz'), DaytonaNotFoundError)
  await files.uploadFiles([{ source: Buffer.from('1'), destination: 'd1/one' }, { source: Buffer.from('2'), destination: 'd1/two' }])
  assert.deepEqual((await files.listFiles('d1')).map((each) => [each.name, each.isDir, each.permissions]),
    [['d2', true, '0755'], ['one', false, '0644'], ['two', false, '0644']])
  await files.setFilePermissions('d1/one', { mode: '600' })
  assert.equal((await files.getFileDetails('d1/one')).permissions, '0600')
  await files.moveFiles('d1/two', '/tmp/three')
  assert.deepEqual((await files.findFiles('/tmp', '2')).map((each) => each.file), ['/tmp/three'])
  assert.deepEqual((await files.searchFiles('/home/daytona', 'one')).files, ['/home/daytona/d1/one'])
  await assert.rejects(files.deleteFile('d1'), (error) => error.statusCode === 400)
  await files.deleteFile('d1', true)
  await assert.rejects(files.listFiles('d1'), DaytonaNotFoundError)
})
await check('big binary files', async () => {
  const bytes = randomBytes(20_000_000)
  await files.uploadFile(bytes, '/tmp/big')
  assert.ok(bytes.equals(await files.downloadFile('/tmp/big')))
})
await check('ports', async () => {
  assert.match((await sandbox.getPreviewLink(3000)).url, new RegExp(`//3000-${sandbox.id}\\.`))
  assert.match((await sandbox.getSignedPreviewUrl(3000, 60)).url, /\/\/3000-/)
})
await check('stop and start', async () => {
  await sandbox.stop()
  assert.equal(sandbox.state, 'stopped')
  await assert.rejects(commands.executeCommand('true'), (error) => error.statusCode === 400)
  await sandbox.start()
  assert.equal((await files.downloadFile('a b.txt')).toString(), 'héllo')
})
await check('snapshots', async () => {
  await sandbox.createSnapshot('snap-1')
  const copy = await daytona.create({ snapshot: 'snap-1' })
  assert.equal((await copy.fs.downloadFile('a b.txt')).toString(), 'héllo')
  await copy.delete()
  const all = (await daytona.snapshot.list()).items
  assert.ok(all.some((each) => each.name === 'snap-1'))
  await daytona.snapshot.delete(await daytona.snapshot.get('snap-1'))
  await assert.rejects(daytona.snapshot.get('snap-1'), DaytonaNotFoundError)
})
await check('rate limits are told', async () => {
  await control('POST', '/faults', { path: '/api/sandbox/', status: 429, retry_after: '1', body: { statusCode: 429, message: 'slow down' } })
  await assert.rejects(daytona.get(sandbox.id), DaytonaRateLimitError)
})
await check('an answer that is lost leaves a sandbox', async () => {
  const before = await (await control('GET', '/sandboxes')).json()
  await control('POST', '/faults', { path: '/api/sandbox', method: 'POST', applied_then_reset: true })
  await assert.rejects(daytona.create())
  assert.equal((await (await control('GET', '/sandboxes')).json()).length, before.length + 1)
})
await check('delete', async () => {
  await sandbox.delete(60, true)
  await until(async () => daytona.get(sandbox.id).then(() => false, () => true), 'it is gone')
  await assert.rejects(commands.executeCommand('true'), DaytonaNotFoundError)
})
process.exit(failed === 0 ? 0 : 1)
