// watcher.*, signal.* and children.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { next, until } from '../support/events.mjs'
import { startWithSandbox } from '../support/gateway.mjs'

describe('watching', () => {
  let sandbox, stop
  before(async () => ({ sandbox, stop } = await startWithSandbox()))
  after(() => stop())

  test('files: made, changed, moved over, gone; ignored; below', async () => {
    await sandbox.runCommand('mkdir -p /tmp/w; echo old > /tmp/w/old')
    const watcher = await sandbox.watcher.create('/tmp/w', { includeContent: true, ignored: ['*.log', 'node_modules'] })
    assert.deepEqual([watcher.getPath(), watcher.isActive(), watcher.isIncludingContent()], ['/tmp/w', true, true])
    assert.deepEqual(watcher.getIgnoredPatterns(), ['*.log', 'node_modules'])
    const events = []
    watcher.on('change', (event) => events.push(event))
    const step = async (command, event, path) => {
      const seen = next(watcher, 'change', (each) => each.event === event && each.path === path)
      await sandbox.runCommand(command, { cwd: '/tmp/w' })
      return seen
    }
    assert.equal((await step('echo one > a', 'add', '/tmp/w/a')).content, 'one\n')
    assert.equal((await step('echo ü > a', 'change', '/tmp/w/a')).content, 'ü\n')
    await step('echo three > t; mv t a', 'change', '/tmp/w/a')
    await step('mkdir -p sub/er', 'addDir', '/tmp/w/sub/er')
    await step('echo x > sub/er/f', 'add', '/tmp/w/sub/er/f')
    await step('mkdir node_modules; echo x > node_modules/x; echo x > y.log; rm a', 'unlink', '/tmp/w/a')
    await step('rm -r sub', 'unlinkDir', '/tmp/w/sub')
    assert.ok(!events.some((each) => /old$|node_modules|\.log$/.test(each.path)), JSON.stringify(events))
    assert.deepEqual((await sandbox.watcher.list()).map((each) => each.id), [watcher.getId()])
    assert.equal((await sandbox.watcher.retrieve(watcher.getId())).path, '/tmp/w')
    const gone = next(watcher, 'destroyed')
    await sandbox.watcher.destroy(watcher.getId())
    await gone
    await assert.rejects(sandbox.watcher.retrieve(watcher.getId()), /404/)
    await assert.rejects(sandbox.watcher.destroy(watcher.getId()), /404/)
    await assert.rejects(sandbox.watcher.create('/none'), /404/)
  })

  test('one file, in base64', async () => {
    await sandbox.filesystem.writeFile('/tmp/alone', 'x')
    const watcher = await sandbox.watcher.create('/tmp/alone', { includeContent: true, encoding: 'base64' })
    const seen = next(watcher, 'change')
    await sandbox.filesystem.writeFile('/tmp/beside', 'x')
    await sandbox.filesystem.writeFile('/tmp/alone', 'y ü')
    const event = await seen
    assert.deepEqual([event.event, event.path, event.content], ['change', '/tmp/alone', 'y ü'])
    await watcher.destroy()
  })

  test('signals: by hand and of ports that open and close', async () => {
    assert.equal((await sandbox.signal.status()).status, 'stopped')
    const service = await sandbox.signal.start()
    assert.equal(service.isActive(), true)
    assert.equal((await sandbox.signal.status()).status, 'active')
    let seen = next(service, 'port', (each) => each.port === 4444)
    await sandbox.signal.emitPort(4444, 'open', 'http://x')
    assert.equal((await seen).url, 'http://x')
    seen = next(service, 'error')
    await sandbox.signal.emitError('broken')
    assert.equal((await seen).message, 'broken')
    seen = next(service, 'signal', (each) => each.signal === 'server-ready')
    await sandbox.signal.emitServerReady(4445, 'http://y')
    assert.equal((await seen).port, 4445)
    await assert.rejects(sandbox.signal.emitPort(70000, 'open', 'http://x'), /400/)
    assert.equal((await sandbox.emitPortSignalAlt(4446, 'close')).data.type, 'close')

    const opened = next(service, 'port', (each) => each.port === 3456)
    const server = await sandbox.terminal.create()
    await server.command.run('exec python3 -m http.server 3456', { background: true })
    assert.ok((await opened).url.length > 0)
    const closed = next(service, 'port', (each) => each.port === 3456)
    await server.destroy()
    await closed
    await service.stop()
    assert.equal((await sandbox.signal.status()).status, 'stopped')
  })

  test('children', async () => {
    const child = await sandbox.child.create()
    assert.equal(child.is_main, false)
    const all = await sandbox.child.list()
    assert.deepEqual(all.map((each) => each.is_main).sort(), [false, true])
    assert.equal((await sandbox.child.retrieve(child.subdomain)).directory, child.directory)
    const headers = { Authorization: `Bearer ${sandbox.getToken()}` }
    const answer = await fetch(`${child.url}/run/command`, { method: 'POST', headers, body: '{"command":"pwd; echo c > made"}' })
    assert.equal((await answer.json()).data.stdout, `${child.directory}\n`)
    assert.equal(await sandbox.filesystem.readFile(`${child.directory}/made`), 'c\n')
    await sandbox.child.destroy(child.subdomain)
    assert.equal(await sandbox.filesystem.exists(child.directory), true)
    await assert.rejects(sandbox.child.retrieve(child.subdomain), /404/)
    const second = await sandbox.child.create()
    await sandbox.child.destroy(second.subdomain, { deleteFiles: true })
    assert.equal(await sandbox.filesystem.exists(second.directory), false)
    const main = all.find((each) => each.is_main)
    await assert.rejects(sandbox.child.destroy(main.subdomain), /400/)
    await until(async () => (await sandbox.child.list()).length === 1, 'one is left')
  })
})
