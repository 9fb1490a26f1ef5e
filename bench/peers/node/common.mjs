// Shared: env, schemas, generator, fold functions, checksum, metrics. Everything deterministic from SEED.
import { createRequire } from 'node:module'
import fs from 'node:fs'
import path from 'node:path'
import crypto from 'node:crypto'
import { fileURLToPath } from 'node:url'
export const KIT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
export const env = {
  N: Number(process.env.N ?? 1_000_000),
  SEED: Number(process.env.SEED ?? 42),
  BROKER: process.env.BROKER ?? '127.0.0.1:39092',
  PGURL: process.env.PGURL ?? 'postgres://postgres@127.0.0.1:35432/postgres',
  NODE_MODULES: process.env.NODE_MODULES ?? path.resolve(KIT, '../../node_modules'),
  WORKDIR: process.env.WORKDIR ?? path.resolve(KIT, '../work'),
}
env.TOPIC = process.env.TOPIC ?? (env.N === 1_000_000 ? 'orders' : `orders_${env.N}`)
export const require = createRequire(path.join(env.NODE_MODULES, 'x.js'))
export const CUSTOMERS = Number(process.env.CUSTOMERS ?? 50_000), DAYS = 30, T0 = Date.UTC(2026, 0, 1), HOUR = 3_600_000, JITTER = 5 * 60_000
export const PARTS = 4

// ---------- schemas (one avsc file shared with the Java peers) ----------
export const schemaJson = JSON.parse(fs.readFileSync(path.join(KIT, 'streams/src/main/avro/events.avsc'), 'utf8'))
export const KINDS = [null, 'OrderPlaced', 'PaymentCaptured', 'OrderShipped', 'OrderCancelled']
export function avroTypes() {
  const avsc = require('avsc')
  const registry = {}
  for (const s of schemaJson) avsc.Type.forSchema(s, { registry })
  return [null, ...KINDS.slice(1).map(k => registry['peers.ev.' + k])]
}

// ---------- generator ----------
function rng(seed) { // mulberry32
  let a = seed >>> 0
  return () => { a = (a + 0x6D2B79F5) | 0; let t = Math.imul(a ^ (a >>> 15), 1 | a); t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t; return ((t ^ (t >>> 14)) >>> 0) / 4294967296 }
}
// Exactly n events, in ARRIVAL order (event time + jitter in [0, 5 min]); {id, key, ts, v}. Those of a later month are other orders.
export function generate(n = env.N, seed = env.SEED, month = 0) {
  const r = rng(seed + month), pick = a => a[Math.floor(r() * a.length)]
  // zipf-ish (s=0.8) over 50k customers by inverse CDF
  const cdf = new Float64Array(CUSTOMERS); let s = 0
  for (let i = 0; i < CUSTOMERS; i++) { s += 1 / Math.pow(i + 1, 0.8); cdf[i] = s }
  const cust = () => { const x = r() * s; let lo = 0, hi = CUSTOMERS - 1; while (lo < hi) { const m = (lo + hi) >> 1; if (cdf[m] < x) lo = m + 1; else hi = m } return lo }
  const perm = Int32Array.from({ length: CUSTOMERS }, (_, i) => i)
  for (let i = CUSTOMERS - 1; i > 0; i--) { const j = Math.floor(r() * (i + 1)); const t = perm[i]; perm[i] = perm[j]; perm[j] = t }
  const hex = k => { let o = ''; for (let i = 0; i < k; i++) o += '0123456789abcdef'[Math.floor(r() * 16)]; return o }
  const span = DAYS * 24 * HOUR, orders = Math.ceil(n / 2.6)
  const out = []
  let k = 0
  for (; out.length < n * 1.02; k++) {
    const customerId = 'c-' + String(perm[cust()]).padStart(6, '0')
    const orderId = 'ord-' + String(k + month * n).padStart(10, '0')
    const t = T0 + month * span + Math.floor(((k + r()) / orders) * span * 0.93)
    const items = []; let amount = 0
    const ni = 1 + Math.floor(r() * r() * 4)
    for (let i = 0; i < ni; i++) { const qty = 1 + Math.floor(r() * 3), price = 199 + Math.floor(r() * 20000); items.push({ sku: 'SKU-' + hex(6), qty, price }); amount += qty * price }
    const push = (id, eventTime, rest) => out.push({ id, key: customerId, ts: eventTime, arr: eventTime + Math.floor(r() * JITTER), v: { eventId: `${hex(8)}-${hex(4)}-${hex(4)}-${hex(12)}`, orderId, customerId, eventTime, ...rest } })
    push(1, t, { amount, currency: pick(['EUR', 'USD', 'GBP', 'SEK']), items })
    const x = r()
    if (x < 0.93) {
      const tp = t + 2000 + Math.floor(r() * 10 * 60_000)
      push(2, tp, { amount, paymentId: 'pay_' + hex(24), method: pick(['card', 'paypal', 'klarna', 'sepa']) })
      const y = r()
      if (y < 0.78) push(3, tp + Math.floor((1 + r() * 47) * HOUR), { amount: 390 + Math.floor(r() * 900), carrier: pick(['DHL', 'UPS', 'DPD', 'GLS']), trackingNo: '1Z' + hex(22) })
      if (y > 0.74 && y < 0.86) push(4, tp + Math.floor((1 + r() * 47) * HOUR), { amount, reason: pick(['customer', 'stock', 'fraud']), comment: r() < 0.5 ? null : 'note ' + hex(32) })
    } else push(4, t + Math.floor(r() * 8 * 60_000), { amount, reason: 'payment', comment: null })
  }
  out.sort((a, b) => a.arr - b.arr || (a.v.eventId < b.v.eventId ? -1 : 1))
  out.length = n
  return out
}

// ---------- the two read models (plain, order of arrival) ----------
export function newOrder(v) { return { order_id: v.orderId, customer_id: v.customerId, status: 'new', amount: 0, items: 0, placed_at: null, paid_at: null, shipped_at: null, cancelled_at: null, updated_at: 0, n: 0 } }
export function foldOrder(o, id, v) {
  o.n++
  if (v.eventTime > o.updated_at) o.updated_at = v.eventTime
  if (id === 1) { o.amount = v.amount; let q = 0; for (const it of v.items) q += it.qty; o.items = q; o.placed_at = v.eventTime; if (o.status === 'new') o.status = 'placed' }
  else if (id === 2) { o.paid_at = v.eventTime; if (o.status === 'new' || o.status === 'placed') o.status = 'paid' }
  else if (id === 3) { o.shipped_at = v.eventTime; if (o.status !== 'cancelled') o.status = 'shipped' }
  else { o.cancelled_at = v.eventTime; if (o.status !== 'shipped') o.status = 'cancelled' }
  return o
}
export const W1_COLS = ['order_id', 'customer_id', 'status', 'amount', 'items', 'placed_at', 'paid_at', 'shipped_at', 'cancelled_at', 'updated_at', 'n']
export const W1_TYPES = ['text', 'text', 'text', 'bigint', 'int', 'bigint', 'bigint', 'bigint', 'bigint', 'bigint', 'int']
export const W2_COLS = ['customer_id', 'window_start', 'n', 'sum_amount', 'max_amount']
export const W2_TYPES = ['text', 'bigint', 'int', 'bigint', 'bigint']
export const TABLE = { w1: 'order_summary', w2: 'hourly_customer' }
export const COLS = { w1: W1_COLS, w2: W2_COLS }
export const TYPES = { w1: W1_TYPES, w2: W2_TYPES }
export const PKEY = { w1: ['order_id'], w2: ['customer_id', 'window_start'] }
export const upsertSql = w => `INSERT INTO ${TABLE[w]}(${COLS[w]}) SELECT * FROM unnest(${TYPES[w].map((t, i) => `$${i + 1}::${t}[]`)}) ON CONFLICT (${PKEY[w]}) DO UPDATE SET ${COLS[w].filter(c => !PKEY[w].includes(c)).map(c => `${c}=excluded.${c}`)}`
// checksum: rows '|'-joined (null -> ''), md5, first 60 bits, summed mod 2^60 ; order independent
const M = (1n << 60n) - 1n
export const rowHash = line => BigInt('0x' + crypto.createHash('md5').update(line).digest('hex').slice(0, 15))
export class Checksum { constructor() { this.s = 0n; this.rows = 0 } add(line) { this.s = (this.s + rowHash(line)) & M; this.rows++ } toString() { return `${this.rows}:${this.s.toString(16)}` } }
export const checksumSql = (w, t = TABLE[w]) => `SELECT count(*)::text c, (coalesce(sum(('x'||substr(md5(concat_ws('|',${COLS[w].map(c => `coalesce(${c}::text,'')`)})),1,15))::bit(60)::bigint),0)::numeric % 1152921504606846976)::text s FROM ${t}`
export async function pgChecksum(pg, w, t) { const { rows: [x] } = await pg.query(checksumSql(w, t)); return `${x.c}:${BigInt(x.s).toString(16)}` }
export const DDL = {
  w1: `CREATE TABLE order_summary(order_id text PRIMARY KEY, customer_id text NOT NULL, status text NOT NULL, amount bigint NOT NULL, items int NOT NULL, placed_at bigint, paid_at bigint, shipped_at bigint, cancelled_at bigint, updated_at bigint NOT NULL, n int NOT NULL)`,
  w2: `CREATE TABLE hourly_customer(customer_id text NOT NULL, window_start bigint NOT NULL, n int NOT NULL, sum_amount bigint NOT NULL, max_amount bigint NOT NULL, PRIMARY KEY(customer_id, window_start))`,
  off: `CREATE TABLE consumer_offsets(grp text NOT NULL, topic text NOT NULL, part int NOT NULL, next_offset bigint NOT NULL, PRIMARY KEY(grp, topic, part))`,
}
// ---------- metrics: whole process incl. start-up; wall from consumer start ----------
let t0
export function startClock() { t0 = process.hrtime.bigint() }
export function report(extra) {
  const wall = Number(process.hrtime.bigint() - t0) / 1e9, c = process.cpuUsage()
  const hwm = Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))[1]) / 1024
  console.log('RESULT ' + JSON.stringify({ wall_s: +wall.toFixed(3), cpu_s: +((c.user + c.system) / 1e6).toFixed(3), rss_mb: Math.round(hwm), ...extra }))
}
