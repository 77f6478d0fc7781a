// Named sandboxes: findOrCreate and find.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { connect } from '../support/client.mjs'
import { startGateway } from '../support/gateway.mjs'

describe('names', () => {
  let gateway, compute
  before(async () => {
    gateway = await startGateway()
    compute = connect(gateway.url, gateway.apiKey)
  })
  after(() => gateway.stop())

  test('the same name is the same sandbox', async () => {
    const first = await compute.sandbox.findOrCreate({ name: 'app/ü b', metadata: { of: 'first' } })
    await first.filesystem.writeFile('note', 'kept')
    const again = await compute.sandbox.findOrCreate({ name: 'app/ü b', metadata: { of: 'second' } })
    assert.equal(again.sandboxId, first.sandboxId)
    assert.equal(await again.filesystem.readFile('note'), 'kept')
    const { metadata } = await again.getInfo()
    assert.deepEqual([metadata.name, metadata.namespace, metadata.of], ['app/ü b', 'default', 'first'])
    const found = await compute.sandbox.find({ name: 'app/ü b' })
    assert.equal(found.sandboxId, first.sandboxId)
    await compute.sandbox.destroy(first.sandboxId)
    assert.equal(await compute.sandbox.find({ name: 'app/ü b' }), null)
  })

  test('namespaces are apart, siblings outlive each other', async () => {
    const one = await compute.sandbox.findOrCreate({ name: 'x', namespace: 'a' })
    const two = await compute.sandbox.findOrCreate({ name: 'x', namespace: 'b' })
    const sibling = await compute.sandbox.findOrCreate({ name: 'y', namespace: 'a' })
    assert.equal(new Set([one.sandboxId, two.sandboxId, sibling.sandboxId]).size, 3)
    await one.filesystem.writeFile('note', 'of a')
    assert.equal(await two.filesystem.exists('note'), false)
    const parents = await Promise.all([one, two, sibling].map(async (each) =>
      (await each.getInfo()).metadata.parent_sandbox_id))
    assert.ok(parents[0] && parents[0] === parents[2] && parents[0] !== parents[1])
    await compute.sandbox.destroy(one.sandboxId)
    assert.equal((await sibling.runCommand('echo on')).stdout, 'on\n')
    assert.equal(await compute.sandbox.find({ name: 'x', namespace: 'a' }), null)
    await compute.sandbox.destroy(two.sandboxId)
    await compute.sandbox.destroy(sibling.sandboxId)
  })

  test('who asks at once gets one', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => compute.sandbox.findOrCreate({ name: 'race' })))
    assert.equal(new Set(all.map((each) => each.sandboxId)).size, 1)
    await compute.sandbox.destroy(all[0].sandboxId)
  })

  test('create with a name is found; a second create takes the name over', async () => {
    const first = await compute.sandbox.create({ name: 'given', namespace: 'n' })
    assert.equal((await compute.sandbox.find({ name: 'given', namespace: 'n' })).sandboxId, first.sandboxId)
    const second = await compute.sandbox.create({ name: 'given', namespace: 'n' })
    assert.notEqual(second.sandboxId, first.sandboxId)
    assert.equal((await compute.sandbox.find({ name: 'given', namespace: 'n' })).sandboxId, second.sandboxId)
    assert.equal((await first.runCommand('echo on')).stdout, 'on\n')
    await compute.sandbox.destroy(first.sandboxId)
    assert.equal((await compute.sandbox.find({ name: 'given', namespace: 'n' })).sandboxId, second.sandboxId)
    await compute.sandbox.destroy(second.sandboxId)
  })

  test('find never makes one', async () => {
    assert.equal(await compute.sandbox.find({ name: 'never' }), null)
    assert.equal(await compute.sandbox.find({ name: 'never', namespace: 'other' }), null)
  })
})
