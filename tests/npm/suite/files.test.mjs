// filesystem.*, file.*, env.* and overlays.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { isV1 } from '../support/client.mjs'
import { startWithSandbox } from '../support/gateway.mjs'

const names = ['plain', 'with space', '100%', 'a#b?c&d=e', `q'"\``, 'ünï/cödé', '%2F', 'a+b', '..hidden']

describe('files', () => {
  let sandbox, stop
  before(async () => ({ sandbox, stop } = await startWithSandbox()))
  after(() => stop())

  for (const name of names) {
    test(`whatever they are called: ${name}`, async () => {
      for (const path of [`/tmp/in/${name}`, `rel/${name}`]) {
        await sandbox.filesystem.writeFile(path, `of ${name}\n`)
        assert.equal(await sandbox.filesystem.readFile(path), `of ${name}\n`)
        assert.equal(await sandbox.filesystem.exists(path), true)
        assert.equal(await sandbox.file.exists(path), true)
        await sandbox.filesystem.remove(path)
        assert.equal(await sandbox.filesystem.exists(path), false)
        assert.equal(await sandbox.file.exists(path), false)
      }
    })
  }

  test('folders', async () => {
    await sandbox.filesystem.mkdir('/tmp/tree/a/b')
    await sandbox.filesystem.writeFile('/tmp/tree/f', 'four')
    const entries = (await sandbox.filesystem.readdir('/tmp/tree')).sort((a, b) => (a.name < b.name ? -1 : 1))
    assert.deepEqual(entries.map((each) => [each.name, each.type]), [['a', 'directory'], ['f', 'file']])
    assert.equal(entries[1].size, 4)
    assert.ok(Math.abs(entries[1].modified - Date.now()) < 60_000)
    await sandbox.filesystem.remove('/tmp/tree')
    await assert.rejects(sandbox.filesystem.readdir('/tmp/tree'), /404.*Directory not found: \/tmp\/tree/s)
    await assert.rejects(sandbox.filesystem.readFile('/tmp/tree/f'), /404.*\/tmp\/tree\/f/s)
    await assert.rejects(sandbox.filesystem.remove('/tmp/tree/f'), /404.*File not found: \/tmp\/tree\/f/s)
    await assert.rejects(sandbox.filesystem.readFile('/tmp'), /400/)
  })

  test('empty, large and binary content', async () => {
    await sandbox.filesystem.writeFile('/tmp/empty', '')
    assert.equal(await sandbox.filesystem.readFile('/tmp/empty'), '')
    const large = 'ä0123456789'.repeat(1_000_000)
    await sandbox.filesystem.writeFile('/tmp/large', large)
    assert.equal(await sandbox.filesystem.readFile('/tmp/large') === large, true)
    await sandbox.runCommand("printf 'a\\377' > /tmp/binary")
    assert.equal(await sandbox.filesystem.readFile('/tmp/binary'), 'a�')
  })

  test('file.*', async () => {
    const made = await sandbox.file.create('/tmp/made/here', 'text')
    assert.deepEqual([made.name, made.path, made.size, made.is_dir], ['here', '/tmp/made/here', 4, false])
    assert.deepEqual((await sandbox.file.list('/tmp/made')).map((each) => each.path), ['/tmp/made/here'])
    assert.ok((await sandbox.file.list()).some((each) => each.name === 'tmp'))
    assert.equal(await sandbox.file.retrieve('/tmp/made/here'), 'text')
    const { data } = await sandbox.getFile('/tmp/made/here')
    assert.equal(data.file.size, 4)
    assert.equal('content' in data, false)
    await sandbox.file.destroy('/tmp/made')
    assert.equal(await sandbox.file.exists('/tmp/made'), false)
  })

  test('file.batchWrite', async () => {
    await sandbox.filesystem.writeFile('/tmp/batch/old', 'x')
    const results = await sandbox.file.batchWrite([
      { path: '/tmp/batch/b', operation: 'write', content: '1' },
      { path: '/tmp/batch/a', operation: 'write', content: '2' },
      { path: '/tmp/batch/b', operation: 'write', content: '3' },
      { path: '/tmp/batch/old', operation: 'delete' },
      { path: '/proc/none/x', operation: 'write', content: '' },
    ])
    assert.deepEqual(results.map((each) => [each.path, each.success]), [
      ['/proc/none/x', false], ['/tmp/batch/a', true], ['/tmp/batch/b', true], ['/tmp/batch/old', true]])
    assert.ok(results[0].error)
    assert.equal(await sandbox.filesystem.readFile('/tmp/batch/b'), '3')
    assert.equal(await sandbox.file.exists('/tmp/batch/old'), false)
  })

  test('env.*', async () => {
    const hard = { PLAIN: '1', QUOTED: `it's "so" #1`, DOLLAR: '$HOME `x`', LINES: 'a\nb\\n', EMPTY: '', UMLAUT: 'ü=ä' }
    assert.equal(await sandbox.env.exists('.env'), false)
    await assert.rejects(sandbox.env.retrieve('.env'), /404/)
    assert.deepEqual((await sandbox.env.update('.env', hard)).sort(), Object.keys(hard).sort())
    assert.equal(await sandbox.env.exists('.env'), true)
    assert.deepEqual(await sandbox.env.retrieve('.env'), hard)
    const sourced = await sandbox.runCommand('. ./.env; printf "%s|%s|%s" "$QUOTED" "$DOLLAR" "$LINES"')
    assert.equal(sourced.stdout, `${hard.QUOTED}|${hard.DOLLAR}|${hard.LINES}`)
    await sandbox.env.update('.env', { PLAIN: '2' })
    assert.deepEqual(await sandbox.env.remove('.env', ['PLAIN', 'NONE']), ['PLAIN'])
    const { PLAIN, ...rest } = hard
    assert.deepEqual(await sandbox.env.retrieve('.env'), rest)
  })

  test('overlays', { skip: isV1 }, async () => {
    const { overlay } = sandbox.filesystem
    await sandbox.runCommand('mkdir -p /tmp/from/sub /tmp/from/node_modules/m; echo s > /tmp/from/sub/f;' +
      'echo l > /tmp/from/x.log; echo m > /tmp/from/node_modules/m/i')
    const made = await overlay.create({ source: '/tmp/from', target: 'app', ignore: ['*.log'], waitForCompletion: true })
    assert.equal(made.copyStatus, 'complete')
    assert.equal(await sandbox.filesystem.readFile('app/sub/f'), 's\n')
    assert.equal(await sandbox.filesystem.readFile('app/node_modules/m/i'), 'm\n')
    assert.equal(await sandbox.filesystem.exists('app/x.log'), false)
    await sandbox.runCommand('echo changed > app/sub/f; echo changed > app/node_modules/m/i')
    assert.equal((await sandbox.runCommand('cat /tmp/from/sub/f /tmp/from/node_modules/m/i')).stdout, 's\nm\n')
    assert.deepEqual((await overlay.list()).map((each) => each.id), [made.id])
    assert.equal((await overlay.retrieve(made.id)).target, made.target)
    assert.equal((await overlay.waitForCompletion(made.id)).copyStatus, 'complete')
    await overlay.destroy(made.id)
    await assert.rejects(overlay.retrieve(made.id), /404/)
    await assert.rejects(overlay.create({ source: '/none', target: 'y' }), /400/)
  })
})
