// server.*, what create sets up, and ready.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isV1, isV2 } from '../support/client.mjs'
import { until } from '../support/events.mjs'
import { startWithSandbox } from '../support/gateway.mjs'

const serve = (port) => `exec python3 -u -m http.server ${port}`
const start = (command) => (isV1 ? { command } : { start: command })

describe('servers', () => {
  let compute, sandbox, stop
  before(async () => ({ compute, sandbox, stop } = await startWithSandbox()))
  after(() => stop())
  const status = (slug, ...wanted) => until(async () => {
    const server = await sandbox.server.retrieve(slug)
    return wanted.includes(server.status) && server
  }, `${slug} is ${wanted}`)

  test('start, ready, reached by its url, stop', async () => {
    await sandbox.filesystem.writeFile('web/hello.txt', 'hello\n')
    await sandbox.filesystem.writeFile('web/.env', 'OF_FILE=yes\n')
    const begun = await sandbox.server.start({
      slug: 'web', ...start(`echo "$OF_FILE"; ${serve(3100)}`), path: 'web', env_file: '.env',
    })
    assert.equal(begun.slug, 'web')
    const server = await status('web', 'ready')
    assert.equal(server.port, 3100)
    assert.ok(server.pid > 0)
    const answer = await fetch(`${server.url.replace(/\/$/, '')}/hello.txt`)
    assert.deepEqual([answer.status, await answer.text()], [200, 'hello\n'])
    assert.deepEqual((await sandbox.server.list()).map((each) => each.slug), ['web'])
    await assert.rejects(sandbox.server.start({ slug: 'web', ...start('true') }), /409/)
    await assert.rejects(sandbox.server.start({ slug: 'not/ok', ...start('true') }), /400/)
    const again = await sandbox.server.restart('web')
    assert.equal(again.slug, 'web')
    assert.notEqual((await status('web', 'ready')).pid, server.pid)
    await sandbox.server.updateStatus('web', 'running')
    await sandbox.server.stop('web')
    if (isV1) await assert.rejects(sandbox.server.retrieve('web'), /404/) // stops by DELETE
    else assert.equal((await sandbox.server.retrieve('web')).status, 'stopped')
    await assert.rejects(fetch(server.url).then((reply) => assert.ok(reply.ok, String(reply.status))), /50\d/)
    await assert.rejects(sandbox.server.retrieve('none'), /404/)
  })

  test('install, environment, logs, delete', { skip: isV1 }, async () => {
    await sandbox.server.start({
      slug: 'built', install: 'echo installing; echo made > made', start: 'cat made; echo "$A $PORT"; echo bad >&2; exec sleep 60',
      environment: { A: 'a b' }, port: 3200,
    })
    await until(async () => (await sandbox.server.logs('built')).logs.includes('a b 3200'), 'its output')
    assert.equal((await sandbox.server.logs('built', { stream: 'stderr' })).logs.includes('bad'), true)
    assert.equal((await sandbox.server.logs('built', { stream: 'stdout' })).logs.includes('bad'), false)
    await sandbox.server.delete('built')
    await assert.rejects(sandbox.server.retrieve('built'), /404/)
    await sandbox.server.start({ slug: 'unbuilt', install: 'exit 9', start: 'touch never' })
    await status('unbuilt', 'failed')
    assert.equal(await sandbox.filesystem.exists('never'), false)
  })

  test('restart policies and health', { skip: isV1 }, async () => {
    await sandbox.server.start({
      slug: 'falls', start: 'echo x >> falls; exit 1', restart_policy: 'on-failure', max_restarts: 2, restart_delay_ms: 50,
    })
    const fallen = await status('falls', 'failed')
    assert.deepEqual([fallen.restart_count, fallen.exit_code, fallen.restart_delay], [2, 1, 50_000_000])
    assert.equal(await sandbox.filesystem.readFile('falls'), 'x\nx\nx\n')
    await sandbox.server.start({
      slug: 'sound', start: serve(3300), port: 3300, health_check: { path: '/', interval_ms: 100, delay_ms: 50, timeout_ms: 1000 },
    })
    const healthy = await status('sound', 'ready')
    assert.equal(healthy.healthy, true)
    await assert.rejects(sandbox.server.start({ slug: 'taken', start: 'true', port: 3300, strict_port: true }), /409/)
    await sandbox.server.delete('sound')
  })

  test('what create sets up', { skip: isV1 }, async () => {
    await sandbox.runCommand('true')
    const own = await compute.sandbox.create({
      timeout: 120_000,
      overlays: [{ source: '/etc', target: 'conf', ignore: ['ssl', 'alternatives'] }],
      servers: [{ slug: 'auto', start: serve(3400) }, { slug: 'later', start: 'sleep 60', autostart: false }],
    })
    const ready = await until(async () => {
      const now = await own.ready()
      return now.ready && now
    }, 'all that was asked for is there')
    assert.equal(ready.servers.find((each) => each.slug === 'auto').port, 3400)
    assert.equal(ready.overlays[0].copy_status, 'complete')
    assert.equal(await own.filesystem.exists('conf/passwd'), true)
    assert.notEqual((await own.server.retrieve('later')).status, 'ready')
    const { metadata } = await own.getInfo()
    assert.ok(metadata.servers && metadata.overlays)
    await own.destroy()
  })
})
