// sessionToken.*, magicLink.*, auth.*: who may do what in a sandbox.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { library } from '../support/client.mjs'
import { startWithSandbox } from '../support/gateway.mjs'

describe('access', () => {
  let gateway, compute, sandbox, stop
  before(async () => ({ gateway, compute, sandbox, stop } = await startWithSandbox()))
  after(() => stop())
  const as = (token) => new library.Sandbox({
    sandboxUrl: sandbox.getSandboxUrl(), sandboxId: sandbox.sandboxId, provider: 'local', token,
  })

  test('session tokens', async () => {
    const made = await sandbox.sessionToken.create({ description: 'for a friend', expiresIn: 3600 })
    assert.ok(made.token && made.id)
    assert.ok(Math.abs(new Date(made.expiresAt) - Date.now() - 3_600_000) < 60_000)
    const friend = as(made.token)
    assert.equal((await friend.runCommand('echo in')).stdout, 'in\n')
    assert.equal((await friend.auth.status()).tokenType, 'session_token')
    await assert.rejects(friend.sessionToken.create(), /Access token required/)
    await assert.rejects(friend.magicLink.create(), /Access token required/)
    const [listed] = await sandbox.sessionToken.list()
    assert.deepEqual([listed.id, listed.description, listed.token], [made.id, 'for a friend', undefined])
    assert.ok(listed.lastUsedAt)
    assert.equal((await sandbox.sessionToken.retrieve(made.id)).description, 'for a friend')
    await assert.rejects(sandbox.sessionToken.retrieve('none'), /404/)
    await assert.rejects(sandbox.sessionToken.create({ expiresIn: -1 }), /400/)

    const terminal = await friend.terminal.create({ pty: true })
    const closed = new Promise((resolve) => friend.ensureWebSocket().then((socket) => socket.on('close', resolve)))
    await sandbox.sessionToken.revoke(made.id)
    await closed
    await friend.disconnect()
    await assert.rejects(friend.runCommand('true'), /401/)
    await sandbox.sessionToken.revoke(made.id)
    await sandbox.terminal.destroy(terminal.id)
  })

  test('magic links', async () => {
    const link = await sandbox.magicLink.create({ redirectUrl: '/play/x' })
    assert.equal(link.redirectUrl, '/play/x')
    assert.ok(link.url.startsWith(`${sandbox.getSandboxUrl()}/auth/magic/`))
    const opened = await fetch(link.url, { redirect: 'manual' })
    assert.equal(opened.status, 302)
    assert.ok(opened.headers.get('location').endsWith('/play/x'))
    const cookie = opened.headers.get('set-cookie')
    assert.match(cookie, /^session_token=.*HttpOnly; SameSite=Lax/)
    const seen = await fetch(`${sandbox.getSandboxUrl()}/auth/status`, { headers: { cookie: cookie.split(';')[0] } })
    assert.equal((await seen.json()).data.token_type, 'session_token')
    assert.equal((await fetch(link.url, { redirect: 'manual' })).status, 401)
    for (const redirectUrl of ['//evil', '/\\evil', 'https://evil']) {
      await assert.rejects(sandbox.magicLink.create({ redirectUrl }), /400/)
    }
    assert.equal((await sandbox.magicLink.create()).redirectUrl, '/play/')
  })

  test('status and info; wrong tokens', async () => {
    assert.deepEqual((await sandbox.auth.status()).tokenType, 'access_token')
    const info = await sandbox.auth.info()
    assert.ok(info.message && info.instructions && Object.values(info.endpoints).every((each) => each.length > 0))
    const stranger = as('wrong')
    assert.equal((await stranger.auth.status()).authenticated, false)
    await assert.rejects(stranger.runCommand('true'), /401/)
    await assert.rejects(stranger.terminal.create({ pty: true }), /401/)
    await assert.rejects(as(gateway.apiKey).runCommand('true'), /401/)
    const other = await compute.sandbox.create({ timeout: 60_000 })
    await assert.rejects(as(other.getToken()).runCommand('true'), /401/)
    await compute.sandbox.destroy(other.sandboxId)
    const own = as('wrong')
    own.setToken(sandbox.getToken())
    assert.equal((await own.runCommand('echo in')).stdout, 'in\n')
  })
})
