// A user's program: no configuration in it at all.
import { library } from './client.mjs'

const { compute } = library
const sandbox = await compute.sandbox.create({ timeout: 60_000 })
const { stdout } = await sandbox.runCommand('echo $((6*7))')
console.log(sandbox.provider, stdout.trim())
await compute.sandbox.destroy(sandbox.sandboxId)
