// A gateway over the provider `local`, with state of its own, gone with the test that started it: its sandboxes too,
// which else live on when a gateway ends. Those of a test that was killed end by their time.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { connect } from './client.mjs'

const program = process.env.COMPUTESDK

export const startGateway = async (options = []) => {
  const folder = mkdtempSync(join(tmpdir(), 'csdk-npm-'))
  const env = {
    PATH: process.env.PATH, HOME: folder, XDG_RUNTIME_DIR: join(folder, 'run'), XDG_STATE_HOME: join(folder, 'state'),
  }
  execFileSync('mkdir', ['-m', '700', env.XDG_RUNTIME_DIR, env.XDG_STATE_HOME])
  const store = `sqlite:${join(folder, 'gateway.db')}`
  const key = (...more) => execFileSync(program, ['gateway', 'key', 'create', '--store', store, ...more], { env })
    .toString().trim().split('\n').at(-1).trim()
  const apiKey = key('--label', 'suite')
  const headers = { 'X-ComputeSDK-API-Key': apiKey }
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, 'gateway', 'serve', '--listen', '127.0.0.1:0',
    '--store', store, '--rate-limit', '0', '--default-timeout', '5m', ...options], { env, stdio: ['ignore', 'inherit', 'pipe'] })
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)))
  const log = []
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      log.push(line)
      const found = line.match(/listening on (http:\/\/[^,\s]+)/)
      if (found) resolve(found[1])
    })
    ended.then((how) => reject(new Error(`the gateway ended (${how}): ${log.join('\n')}`)))
  })
  return {
    url, apiKey, key, log,
    stop: async () => {
      try {
        const left = await (await fetch(`${url}/v1/sandboxes`, { headers })).json()
        for (const { sandboxId } of left.data) await fetch(`${url}/v1/sandboxes/${sandboxId}`, { method: 'DELETE', headers })
      } finally {
        child.kill('SIGTERM')
        await ended
        rmSync(folder, { recursive: true, force: true })
      }
      const how = await ended
      if (how !== 0) throw new Error(`the gateway ended with ${how}: ${log.join('\n')}`)
    },
  }
}

// A gateway, a client of it and a sandbox; stop() ends all three.
export const startWithSandbox = async (options) => {
  const gateway = await startGateway()
  try {
    const compute = connect(gateway.url, gateway.apiKey)
    const sandbox = await compute.sandbox.create(options)
    return { gateway, compute, sandbox, stop: () => sandbox.disconnect().then(gateway.stop) }
  } catch (error) {
    await gateway.stop()
    throw error
  }
}
