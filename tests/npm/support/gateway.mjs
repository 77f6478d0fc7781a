// A gateway over the provider `local`, with state of its own, gone with the test that started it.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

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
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', program, 'gateway', 'serve', '--listen', '127.0.0.1:0',
    '--store', store, '--rate-limit', '0', ...options], { env, stdio: ['ignore', 'inherit', 'pipe'] })
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
      child.kill('SIGTERM')
      const how = await ended
      rmSync(folder, { recursive: true, force: true })
      if (how !== 0) throw new Error(`the gateway ended with ${how}: ${log.join('\n')}`)
    },
  }
}
