// Real TimescaleDB (PGlite: Postgres 17 in WASM) behind the Postgres wire protocol on loopback. For tests.
// A transaction-level multiplexer: many clients share the one backend, as with pgbouncer's transaction mode.
// usage: node timescale.mjs PORT [DATADIR|memory://]
import net from 'node:net'
import { PGlite } from '@electric-sql/pglite'
import { timescaledb } from '@electric-sql/pglite/timescaledb'

const t0 = performance.now()
const port = Number(process.argv[2] ?? 54329),
  dataDir = process.argv[3] ?? 'memory://'
const db = await PGlite.create({ dataDir, extensions: { timescaledb }, relaxedDurability: true })
await db.exec('CREATE EXTENSION IF NOT EXISTS timescaledb')

const msg = (t, body) => {
  const b = Buffer.alloc(5 + body.length)
  b.write(t, 0, 'latin1')
  b.writeInt32BE(4 + body.length, 1)
  body.copy(b, 5)
  return b
}
const z = (s) => Buffer.from(s + '\0')
const PARAMS = {
  server_version: '17.5',
  server_encoding: 'UTF8',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  TimeZone: 'GMT',
  integer_datetimes: 'on',
  standard_conforming_strings: 'on',
  IntervalStyle: 'postgres',
}
const COPY_IN = /^\s*copy\s[\s\S]*\sfrom\s+stdin\b/i
let owner = null
const waiters = []
const acquire = (c) =>
  owner === c
    ? Promise.resolve()
    : owner === null
      ? ((owner = c), Promise.resolve())
      : new Promise((r) => waiters.push({ c, r }))
const release = (c) => {
  if (owner !== c) return
  const w = waiters.shift()
  owner = w ? w.c : null
  w?.r()
}
// one message a call, as PGlite's own client does: a long pipelined batch in one call can lose its tail
const exec = async (bufs) => {
  const out = []
  for (const b of bufs)
    out.push(Buffer.from(await db.execProtocolRaw(new Uint8Array(b), { syncToFs: false })))
  return Buffer.concat(out)
}
// walks backend messages; returns the last ReadyForQuery status
const scan = (out, f) => {
  for (let i = 0; i + 5 <= out.length;) {
    const n = out.readInt32BE(i + 1)
    f(out[i], i, n)
    i += 1 + n
  }
}
const status = (out) => {
  let s = null
  scan(out, (t, i) => {
    if (t === 0x5a) s = String.fromCharCode(out[i + 5])
  })
  return s
}

let ids = 0
class Client {
  constructor(s) {
    this.s = s
    this.id = ++ids
    this.buf = []
    this.len = 0
    this.ready = false
    this.batch = []
    this.copy = null
    this.tail = Promise.resolve()
    this.names = new Set()
    s.setNoDelay(true)
    s.on('data', (d) => {
      this.buf.push(d)
      this.len += d.length
      this.pump()
    })
    s.on('error', () => {})
    s.on('close', () => {
      this.tail = this.tail.then(() => this.gone())
    })
  }
  // prepared statements share one backend: give each client its own names (portals live only inside a transaction)
  rename(m) {
    const t = String.fromCharCode(m[0])
    const pre = (n) => (n.length ? Buffer.concat([Buffer.from(`c${this.id}_`), n]) : n)
    const cut = (b, i) => {
      const e = b.indexOf(0, i)
      return [b.subarray(i, e), e + 1]
    }
    if (t === 'P') {
      const [n, e] = cut(m, 5)
      if (n.length) this.names.add(n.toString())
      return n.length ? msg('P', Buffer.concat([pre(n), Buffer.from([0]), m.subarray(e)])) : m
    }
    if (t === 'B') {
      const [p, e] = cut(m, 5),
        [n, f] = cut(m, e)
      return n.length
        ? msg('B', Buffer.concat([p, Buffer.from([0]), pre(n), Buffer.from([0]), m.subarray(f)]))
        : m
    }
    if ((t === 'D' || t === 'C') && m[5] === 0x53) {
      const [n] = cut(m, 6)
      return n.length ? msg(t, Buffer.concat([m.subarray(5, 6), pre(n), Buffer.from([0])])) : m
    }
    return m
  }
  pump() {
    if (this.len < 5) return
    let b = this.buf.length === 1 ? this.buf[0] : Buffer.concat(this.buf),
      i = 0
    for (;;) {
      if (!this.ready) {
        if (b.length - i < 8) break
        const n = b.readInt32BE(i),
          code = b.readInt32BE(i + 4)
        if (b.length - i < n) break
        i += n
        if (code === 80877103 || code === 80877104) {
          this.s.write('N')
          continue
        } // SSL, GSS: no
        if (code === 80877102) {
          this.s.end()
          break
        } // cancel
        this.ready = true
        this.s.write(
          Buffer.concat([
            msg('R', Buffer.alloc(4)),
            ...Object.entries(PARAMS).map(([k, v]) => msg('S', z(k + '\0' + v))),
            msg('K', Buffer.from([0, 0, 0, this.id & 255, 0, 0, 0, 0])),
            msg('Z', Buffer.from('I')),
          ]),
        )
        continue
      }
      if (b.length - i < 5) break
      const n = 1 + b.readInt32BE(i + 1)
      if (b.length - i < n) break
      this.on(b.subarray(i, i + n))
      i += n
    }
    b = b.subarray(i)
    this.buf = b.length ? [b] : []
    this.len = b.length
  }
  on(m) {
    const t = String.fromCharCode(m[0])
    if (t === 'X') return void this.s.end()
    if (this.copy) {
      if (t === 'd') this.copy.data.push(m.subarray(5))
      else if (t === 'c' || t === 'f') {
        this.copy.fail = t === 'f'
        this.copy.done = true
        if (this.copy.simple) this.flush()
      } else if (t === 'S' && this.copy.done) this.flush()
      return
    }
    if (t === 'Q') {
      const sql = m.toString('utf8', 5, m.length - 1)
      if (COPY_IN.test(sql)) return this.startCopy(sql, true)
      this.batch.push(m)
      return this.flush()
    }
    if (t === 'P') {
      const e = m.indexOf(0, 5),
        sql = m.toString('utf8', e + 1, m.indexOf(0, e + 1))
      if (COPY_IN.test(sql)) this.pendingCopy = sql
    }
    if (this.pendingCopy) {
      if (t === 'S' || t === 'H' || t === 'E') {
        const sql = this.pendingCopy
        this.pendingCopy = null
        this.startCopy(sql, false)
      }
      return
    }
    this.batch.push(this.rename(m))
    if (t === 'S' || t === 'H') this.flush()
  }
  startCopy(sql, simple) {
    this.copy = { sql, simple, data: [], done: false }
    const bin = /binary/i.test(sql) ? 1 : 0
    const pre = simple
      ? []
      : [msg('1', Buffer.alloc(0)), msg('2', Buffer.alloc(0)), msg('n', Buffer.alloc(0))]
    this.tail = this.tail.then(() => {
      this.s.write(Buffer.concat([...pre, msg('G', Buffer.from([bin, 0, 0]))]))
    })
  }
  flush() {
    const copy = this.copy,
      batch = this.batch
    this.copy = null
    this.batch = []
    this.tail = this.tail
      .then(() => this.run(copy, batch))
      .catch((e) => {
        console.error('fatal', e)
        this.s.destroy()
        process.exit(1)
      })
  }
  async run(copy, batch) {
    await acquire(this)
    let out
    if (copy) {
      const sql = copy.fail
        ? 'select copy_failed_by_client'
        : copy.sql.replace(/from\s+stdin\b/i, "FROM '/dev/blob'")
      await db._handleBlob(new Blob(copy.data))
      out = await exec([msg('Q', z(sql))])
      await db._cleanupBlob()
    } else out = await exec(batch)
    const st = status(out)
    if (st) this.status = st
    if (!this.s.destroyed) this.s.write(out)
    if (st === 'I') release(this)
  }
  async gone() {
    if (this.status === 'T' || this.status === 'E') {
      if (owner === this) await exec([msg('Q', z('ROLLBACK'))])
    }
    if (this.names.size) {
      await acquire(this)
      for (const n of this.names) await exec([msg('Q', z(`DEALLOCATE "c${this.id}_${n}"`))])
    }
    release(this)
    for (let i = waiters.length; i--;) if (waiters[i].c === this) waiters.splice(i, 1)
  }
}
const server = net.createServer((s) => new Client(s))
server.listen(port, '127.0.0.1', () =>
  console.log(`READY ${server.address().port} ${Math.round(performance.now() - t0)}ms`),
)
for (const s of ['SIGINT', 'SIGTERM'])
  process.on(s, async () => {
    server.close()
    await db.close()
    process.exit(0)
  })
