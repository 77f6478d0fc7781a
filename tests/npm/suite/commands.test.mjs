// runCommand, runCode, run.*, execute, and streamed output.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isV1, isV2 } from '../support/client.mjs'
import { startWithSandbox } from '../support/gateway.mjs'

describe('commands', () => {
  let compute, sandbox, stop
  before(async () => ({ compute, sandbox, stop } = await startWithSandbox({ envs: { OF: 'sandbox' } })))
  after(() => stop())

  test('output, exit code, duration', async () => {
    const result = await sandbox.runCommand('echo out; echo err >&2; exit 3')
    assert.deepEqual([result.stdout, result.stderr, result.exitCode], ['out\n', 'err\n', 3])
    assert.equal(typeof result.durationMs, 'number')
    assert.equal((await sandbox.runCommand('no-such-program')).exitCode, 127)
    assert.equal((await sandbox.runCommand('kill -9 $$')).exitCode, 137)
  })

  test('folder and environment of a call', async () => {
    await sandbox.runCommand('mkdir -p deep/er')
    const here = (await sandbox.runCommand('pwd')).stdout.trim()
    const result = await sandbox.runCommand('pwd; echo $OF $A', { cwd: 'deep/er', env: { A: 'a  "b"' } })
    assert.equal(result.stdout, `${here}/deep/er\nsandbox a "b"\n`)
    await assert.rejects(sandbox.runCommand('true', { cwd: '/none' }), /400.*\/none/s)
  })

  test('megabytes and what is no UTF-8', async () => {
    const big = await sandbox.runCommand("head -c 3000000 /dev/zero | tr '\\0' x; head -c 2000000 /dev/zero | tr '\\0' y >&2")
    assert.deepEqual([big.stdout.length, big.stderr.length], [3_000_000, 2_000_000])
    assert.equal((await sandbox.runCommand("printf 'a\\377b\\303\\274'")).stdout, 'a�bü')
  })

  test('in the background, then waited for', async () => {
    const started = await sandbox.run.command('sleep 0.3; echo late; exit 4', { background: true })
    assert.equal(started.stdout, '')
    if (isV1) return // it hands out no ids: see terminals for waiting there
    assert.equal(started.status, 'running')
    const done = await sandbox.run.waitForCompletion(started.terminalId, started.cmdId, { timeoutSeconds: 20 })
    assert.deepEqual([done.stdout, done.exitCode, done.status], ['late\n', 4, 'completed'])
    const waited = await sandbox.run.command('sleep 0.2; echo w', { background: true, waitForCompletion: true })
    assert.equal(waited.stdout, 'w\n')
  })

  test('a timeout of the call, in seconds', { skip: isV1 }, async () => {
    assert.equal((await sandbox.runCommand('echo in time', { timeout: 20 })).stdout, 'in time\n')
    await assert.rejects(sandbox.runCommand('sleep 30', { timeout: 1 }), /408.*timed out/s)
  })

  test('output while it runs', { skip: isV1 }, async () => {
    const seen = []
    await sandbox.runCommand('mkfifo gate')
    const result = await sandbox.runCommand('echo one; echo bad >&2; read x < gate; echo two ü; exit 5', {
      onStdout: (text) => {
        seen.push(text)
        if (text.includes('one')) sandbox.runCommand('echo go > gate') // it is told to go on only once it was heard
      },
      onStderr: (text) => seen.push(`err:${text}`), env: { A: 'b' }, cwd: '.',
    })
    assert.deepEqual([result.stdout, result.stderr, result.exitCode], ['one\ntwo ü\n', 'bad\n', 5])
    assert.ok(seen.includes('err:bad\n') && seen[0] === 'one\n')
  })

  test('many streams at once', { skip: isV1 }, async () => {
    const all = await Promise.all(Array.from({ length: 12 }, (_, n) =>
      sandbox.runCommand(`for i in 1 2 3; do echo ${n}-$i; done`, { onStdout: () => {} })))
    assert.deepEqual(all.map((each) => each.stdout), all.map((_, n) => `${n}-1\n${n}-2\n${n}-3\n`))
  })

  test('code: said, guessed and refused', async () => {
    assert.deepEqual(await sandbox.runCode('print(6*7)', 'python'), { output: '42\n', exitCode: 0, language: 'python' })
    assert.equal((await sandbox.runCode('import sys\nprint(sys.argv[0] != "")')).output, 'True\n')
    const failed = await sandbox.runCode('import sys; print("x"); sys.exit(3)', 'python')
    assert.deepEqual([failed.output, failed.exitCode], ['x\n', 3])
    const shell = await sandbox.run.code('echo $OF; echo e >&2', { language: 'bash' })
    assert.deepEqual([shell.output, shell.language], ['sandbox\ne\n', 'bash'])
    await assert.rejects(sandbox.run.code('x', { language: 'cobol' }), /400.*cobol/s)
  })

  test('execute and the shell of a call', async () => {
    const { data } = await sandbox.execute({ command: 'echo $0', shell: '/bin/bash' })
    assert.match(data.stdout, /bash/)
    assert.equal(data.status, 'completed')
    assert.equal((await sandbox.run.command('echo $BASH_VERSION', { shell: 'bash' })).stdout.length > 1, true)
  })

  test('getProvider and getInstance', () => {
    assert.throws(() => sandbox.getProvider(), /not available/)
    assert.equal(sandbox.getInstance(), sandbox)
  })

  test('the working folder that was asked for', { skip: isV1 }, async () => {
    const own = await compute.sandbox.create({ directory: '/tmp/project/x', timeout: 60_000 })
    assert.equal((await own.runCommand('pwd')).stdout, '/tmp/project/x\n')
    await own.destroy()
  })
})
