// terminal.*: terminals with a shell, and those that run one command after the other.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isV1, isV2 } from '../support/client.mjs'
import { next, screen, until } from '../support/events.mjs'
import { startWithSandbox } from '../support/gateway.mjs'

describe('terminals', () => {
  let sandbox, stop
  before(async () => ({ sandbox, stop } = await startWithSandbox({ envs: { OF: 'sandbox' } })))
  after(() => stop())

  for (const encoding of ['raw', 'base64']) {
    test(`a shell: input, output, size, the end (${encoding})`, async () => {
      const begin = Date.now()
      const terminal = await sandbox.terminal.create({ pty: true, shell: '/bin/bash', encoding })
      assert.ok(Date.now() - begin < 4000, 'terminal:created came, the client did not wait its 5 s')
      assert.equal(terminal.pty, true)
      assert.equal(terminal.isRunning(), true)
      assert.equal(terminal.channel, `terminal:${terminal.id}`)
      const shown = screen(terminal)
      terminal.write('echo "$OF:$TERM:ü"; tty\n')
      await shown.shows('sandbox:xterm-256color:ü')
      await shown.shows('/dev/pts/')
      terminal.resize(101, 37)
      await until(async () => {
        terminal.write('stty size\n')
        return shown.text.includes('37 101')
      }, 'the new size')
      terminal.write('sleep 61\n')
      await until(async () => (await sandbox.runCommand('pgrep -fx "sleep 61"')).exitCode === 0, 'it sleeps')
      terminal.write('\x03')
      terminal.write('echo on-$((5+5))\n')
      await shown.shows('on-10')
      const gone = next(terminal, 'destroyed')
      terminal.write('exit\n')
      await gone
      await until(async () => !(await sandbox.terminal.list()).some((each) => (each.data ?? each).id === terminal.id),
        'a shell that exited is dropped')
    })
  }

  test('two at once, listed, looked up and ended', async () => {
    const [one, two] = await Promise.all([sandbox.terminal.create({ pty: true }), sandbox.terminal.create({ pty: true })])
    const [of, other] = [screen(one), screen(two)]
    one.write('echo first-$((1+1))\n')
    two.write('echo second-$((2+2))\n')
    await Promise.all([of.shows('first-2'), other.shows('second-4')])
    assert.ok(!of.text.includes('second-4'))
    const listed = (await sandbox.terminal.list()).map((each) => (each.data ?? each).id)
    assert.ok(listed.includes(one.id) && listed.includes(two.id))
    const found = await sandbox.terminal.retrieve(one.id)
    assert.equal(isV1 ? found.data.id : found.id, one.id)
    if (isV2) {
      const again = screen(found)
      found.write('echo again-$((3+3))\n')
      await again.shows('again-6')
    }
    await one.destroy()
    await sandbox.terminal.destroy(two.id)
    await assert.rejects(sandbox.terminal.retrieve(one.id), /404/)
    await assert.rejects(sandbox.terminal.destroy(two.id), /404/)
    await assert.rejects(sandbox.terminal.create({ pty: true, shell: '/bin/none' }), /400/)
  })

  test('commands one after the other', async () => {
    const terminal = await sandbox.terminal.create()
    assert.equal(terminal.pty, false)
    assert.equal(terminal.status, 'ready')
    const done = await terminal.command.run('echo $OF; echo e >&2; exit 2')
    assert.deepEqual([done.stdout, done.stderr, done.exitCode, done.status], ['sandbox\n', 'e\n', 2, 'completed'])
    const late = await terminal.command.run('echo begun; sleep 0.3; echo ended', { background: true })
    assert.equal(late.status, 'running')
    await until(async () => (await late.refresh()).stdout === 'begun\n' || late.status === 'completed', 'output while it runs')
    await late.wait(20)
    assert.deepEqual([late.stdout, late.exitCode, late.status], ['begun\nended\n', 0, 'completed'])
    assert.ok(late.finishedAt && late.durationMs >= 200)
    assert.deepEqual((await terminal.command.list()).map((each) => each.id), [done.id, late.id])
    assert.equal((await terminal.command.retrieve(done.id)).stdout, 'sandbox\n')
    await assert.rejects(terminal.command.retrieve('none'), /404/)
    const slow = await terminal.command.run('sleep 60', { background: true })
    await assert.rejects(slow.wait(1), /408.*timed out/s)
    const { data } = await terminal.execute('echo x')
    assert.equal(data.stdout, 'x\n')
    await terminal.destroy()
    const left = await sandbox.runCommand("pgrep -f '^sleep 60' || echo none")
    assert.equal(left.stdout, 'none\n')
  })

  test('a shell runs no commands of the API', async () => {
    const terminal = await sandbox.terminal.create({ pty: true })
    await assert.rejects(terminal.command.run('true'))
    await terminal.destroy()
  })

  test('a lost connection: what was printed meanwhile is shown', async () => {
    const terminal = await sandbox.terminal.create({ pty: true, shell: '/bin/sh' })
    const shown = screen(terminal)
    await sandbox.runCommand('mkfifo gate')
    terminal.write('echo ready-$((1+1)); read line < gate; echo printed-$((4+4))\n')
    await shown.shows('ready-2')
    const socket = await sandbox.ensureWebSocket()
    const back = next(socket, 'open')
    socket.ws.close() // as the network would; the client connects again by itself and subscribes again
    await until(() => !socket.isConnected(), 'the connection is lost')
    await sandbox.runCommand('echo go > gate')
    await back
    await shown.shows('printed-8')
    await terminal.destroy()
  })
})
