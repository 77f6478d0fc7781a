// Waiting for what the client reports.

// Resolves with the first value of `event` for which `wanted` holds. Call it before what causes the event.
export const next = (source, event, wanted = () => true, seconds = 15) =>
  new Promise((resolve, reject) => {
    const seen = []
    const timer = setTimeout(
      () => reject(new Error(`no such ${event} within ${seconds} s; seen: ${JSON.stringify(seen)}`)), seconds * 1000)
    const handler = (value) => {
      seen.push(value)
      if (!wanted(value)) return
      clearTimeout(timer)
      source.off?.(event, handler)
      resolve(value)
    }
    source.on(event, handler)
  })

// What a terminal prints, as one text; `shows` resolves when it has `text`.
export const screen = (terminal) => {
  let text = ''
  const waiting = new Set()
  terminal.on('output', (piece) => {
    text += piece
    for (const check of waiting) check()
  })
  return {
    get text() { return text },
    shows: (wanted, seconds = 15) => new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting.delete(check)
        reject(new Error(`the terminal never showed ${JSON.stringify(wanted)}: ${JSON.stringify(text)}`))
      }, seconds * 1000)
      const check = () => {
        if (!text.includes(wanted)) return
        waiting.delete(check)
        clearTimeout(timer)
        resolve(text)
      }
      waiting.add(check)
      check()
    }),
  }
}

// Asks until `ask` gives something true, at the pace of the client's own polls.
export const until = async (ask, what, seconds = 20) => {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const value = await ask()
    if (value) return value
    if (Date.now() > end) throw new Error(`not within ${seconds} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}
