// Runner: node bench.mjs REPS name[,name...]  -> interleaved runs, one JSON line each appended to RESULTS (default WORKDIR/results.jsonl)
// Exit code 1 if a run failed or its table is not the reference's.
import fs from 'node:fs'
import path from 'node:path'
import { spawn } from 'node:child_process'
import { env, KIT, DDL, TABLE, pgChecksum } from './common.mjs'
import { client } from './pgutil.mjs'
const PLACE = { ...process.env, NODE_MODULES: env.NODE_MODULES, WORKDIR: env.WORKDIR, BROKER: env.BROKER, PGURL: env.PGURL }
const node = (f, ...a) => ['node', path.join(KIT, 'node', f), ...a]
const java = (cls, ...a) => ['java', '-Xmx2g', '-Dorg.apache.avro.SERIALIZABLE_PACKAGES=peers.ev', '-cp', `${KIT}/streams/target/classes:${KIT}/streams/target/libs/*`, 'peers.' + cls, ...a]
const flink = (...a) => ['java', '-Xmx2g', '-Dorg.apache.avro.SERIALIZABLE_PACKAGES=peers.ev', '--add-opens=java.base/java.util=ALL-UNNAMED', '--add-opens=java.base/java.lang=ALL-UNNAMED', '--add-opens=java.base/java.time=ALL-UNNAMED', '-cp', `${KIT}/flink/target/classes:${KIT}/flink/target/libs/*`, 'peers.FlinkW2', ...a]
const S = {} // name -> {cmd, w, n, env, check: 'pg'|'out'|null, ownDatabase, relation}
const RESULTS = process.env.RESULTS ?? path.join(env.WORKDIR, 'results.jsonl')
// refold keeps its control schema beside its read models, hence a database of its own; its window bounds are timestamps
const REFOLD = { w1: 'order_summary', w2: '(SELECT customer_id, (extract(epoch FROM window_start) * 1000)::bigint AS window_start, n, sum_amount, max_amount FROM hourly_customer) t' }
for (const w of ['w1', 'w2']) {
  S[`p1-${w}`] = { cmd: node('p1-naive.mjs', w), w, n: Number(process.env.P1N ?? 50000), check: 'pg' }
  for (const c of [1, 4]) S[`p2-${w}-c${c}`] = { cmd: node('p2-tuned.mjs', w), w, env: { CONC: String(c) }, check: 'pg' }
  for (const g of ['alos', 'eos']) {
    const G = g === 'alos' ? 'at_least_once' : 'exactly_once_v2'
    S[`p3-${w}-${g}`] = { cmd: java('StreamsPeer', w, 'dsl', G, 'nosink'), w, check: 'out' }
    S[`p3-${w}-${g}-sink`] = { cmd: java('StreamsPeer', w, 'dsl', G, 'sink'), w, check: 'pg' }
    if (w === 'w1') { S[`p3-${w}-papi-${g}`] = { cmd: java('StreamsPeer', w, 'papi', G, 'nosink'), w, check: 'out' }; S[`p3-${w}-papi-${g}-sink`] = { cmd: java('StreamsPeer', w, 'papi', G, 'sink'), w, check: 'pg' } }
  }
  S[`refold-${w}`] = { cmd: ['node', path.join(KIT, '../refold/run.mjs'), w], w, ownDatabase: true, relation: REFOLD[w], check: 'pg' }
  S[`lim-upsert-${w}`] = { cmd: node('limits.mjs', 'upsert-' + w), w, check: 'pg' }
  S[`lim-copy-${w}`] = { copy: true, w, check: 'pg' }
}
for (const c of [1, 4]) S[`p2-w2-merge-c${c}`] = { cmd: node('p2-tuned.mjs', 'w2', 'merge'), w: 'w2', env: { CONC: String(c) }, check: 'pg' }
S['p4-w2'] = { cmd: flink(), w: 'w2', check: 'pg' }
S['p5-w2'] = { cmd: [process.env.PYTHON ?? 'python3', path.join(KIT, 'py/quix_w2.py')], w: 'w2', n: Number(process.env.QN ?? 200000), check: 'pg' }
S['lim-touch'] = { cmd: node('limits.mjs', 'touch') }
S['lim-decode'] = { cmd: node('limits.mjs', 'decode') }
S['lim-java-touch'] = { cmd: java('JavaRead', 'touch') }
S['lim-java-decode'] = { cmd: java('JavaRead', 'decode') }
S['lim-chdb'] = { cmd: node('limits.mjs', 'chdb'), w: 'w2', check: 'out' }
const HZ = 100, read = f => { try { return fs.readFileSync(f, 'utf8') } catch { return '' } }
const stat = pid => { const s = read(`/proc/${pid}/stat`); if (!s) return null; const f = s.slice(s.lastIndexOf(')') + 2).split(' '); return { ppid: +f[1], own: (+f[11] + +f[12]) / HZ, kids: (+f[13] + +f[14]) / HZ } }
const treeCpu = pid => { if (!pid) return 0; const m = stat(pid); if (!m) return 0; let t = m.own + m.kids; for (const d of fs.readdirSync('/proc')) if (/^\d+$/.test(d)) { const s = stat(d); if (s && s.ppid === +pid) t += s.own } return t }
const sysBusy = () => { const f = read('/proc/stat').split('\n')[0].split(/\s+/).slice(1).map(Number); return (f[0] + f[1] + f[2] + f[5] + f[6]) / HZ }
const sleep = ms => new Promise(r => setTimeout(r, ms))
// wait (bounded, QUIET_S seconds) until the rest of the machine uses < 25% of one core; others share this box
async function quiet() { if (process.env.QUIET_S === '0') return; const end = Date.now() + Number(process.env.QUIET_S ?? 10) * 1000; for (;;) { const a = sysBusy(); await sleep(1000); if (sysBusy() - a < 0.25 || Date.now() > end) return } }
const CORES = (await import('node:os')).cpus().length
const refs = {}; const ref = n => refs[n] ??= JSON.parse(read(path.join(env.WORKDIR, `ref-${n}.json`)))
const run = (cmd, e) => new Promise(ok => { let out = ''; const p = spawn(cmd[0], cmd.slice(1), { env: { ...PLACE, ...e }, stdio: ['ignore', 'pipe', 'pipe'] }); p.stdout.on('data', d => { out += d }); p.stderr.on('data', d => { out += d }); const t = setTimeout(() => p.kill('SIGKILL'), Number(process.env.LIMIT_S ?? 240) * 1000); p.on('close', rc => { clearTimeout(t); ok({ rc, out }) }) })
async function checksum(pg, s, e) { if (!s.ownDatabase) return pgChecksum(pg, s.w); const own = await client(e.PGURL); try { return await pgChecksum(own, s.w, s.relation) } finally { await own.end() } }
const [reps, names] = [Number(process.argv[2]), process.argv[3].split(',')]
for (let r = 1; r <= reps; r++) for (const name of names) {
  const s = S[name]; if (!s) { console.error('unknown', name, Object.keys(S).join(' ')); process.exit(1) }
  const n = s.n ?? env.N, e = { ...s.env, N: String(n), TOPIC: n === 1_000_000 ? 'orders' : `orders_${n}`, REF_W: s.w ?? '' }
  const pg = await client()
  for (const t of ['order_summary', 'hourly_customer', 'consumer_offsets']) await pg.query(`DROP TABLE IF EXISTS ${t}`)
  for (const d of Object.values(DDL)) await pg.query(d)
  if (s.ownDatabase) { const own = `${new URL(env.PGURL).pathname.slice(1)}_bench`; await pg.query(`DROP DATABASE IF EXISTS ${own} WITH (FORCE)`); await pg.query(`CREATE DATABASE ${own}`); e.PGURL = Object.assign(new URL(env.PGURL), { pathname: own }).toString() }
  await pg.query('CHECKPOINT'); await quiet()
  const a = [treeCpu(process.env.PG_PID), treeCpu(process.env.BROKER_PID), sysBusy(), Date.now(), treeCpu('self')]
  let res, out = ''
  if (s.copy) {
    const t = process.hrtime.bigint(), x = await run(['psql', env.PGURL, '-qc', `\\copy ${TABLE[s.w]} FROM '${path.join(env.WORKDIR, `${s.w}-${n}.csv`)}' CSV`], e); out = x.out
    res = x.rc === 0 ? { wall_s: Number(process.hrtime.bigint() - t) / 1e9, events: Number((await pg.query(`SELECT count(*) FROM ${TABLE[s.w]}`)).rows[0].count), cpu_s: null, rss_mb: null } : null
  } else { const x = await run(s.cmd, e); out = x.out; const l = /^RESULT (.*)$/m.exec(out); res = l ? JSON.parse(l[1]) : null; if (!res) out += ` rc=${x.rc}` }
  const b = [treeCpu(process.env.PG_PID), treeCpu(process.env.BROKER_PID), sysBusy(), Date.now(), treeCpu('self')]
  if (!res) { console.error(`FAIL ${name} rep ${r}\n` + out.slice(-3000)); fs.appendFileSync(RESULTS, JSON.stringify({ name, rep: r, ok: false, error: out.slice(-300) }) + '\n'); process.exitCode = 1; await pg.end(); continue }
  const sum = s.check === 'pg' ? await checksum(pg, s, e) : s.check === 'out' ? /^CHECKSUM (\S+)/m.exec(out)?.[1] : null
  const ok = s.check ? sum === ref(n)[s.w] : res.events === n
  const rec = { name, rep: r, ok, ...res, rate: Math.round(res.events / res.wall_s), cpu_per_m: res.cpu_s == null ? null : +(res.cpu_s / res.events * 1e6).toFixed(2), pg_cpu_s: +(b[0] - a[0]).toFixed(2), broker_cpu_s: +(b[1] - a[1]).toFixed(2), sys_cpu_s: +(b[2] - a[2]).toFixed(2), elapsed_s: (b[3] - a[3]) / 1000, foreign: +Math.max(0, ((b[2] - a[2]) - (b[4] - a[4]) - (b[0] - a[0]) - (b[1] - a[1])) / (((b[3] - a[3]) / 1000) * CORES)).toFixed(2), sum, n, at: new Date().toISOString() }
  fs.appendFileSync(RESULTS, JSON.stringify(rec) + '\n')
  console.log(`${name} #${r} ok=${ok} ${rec.rate}/s wall=${res.wall_s} cpu/M=${rec.cpu_per_m} rss=${res.rss_mb} pg=${rec.pg_cpu_s} broker=${rec.broker_cpu_s} foreign=${rec.foreign} sum=${sum}`)
  if (!ok) { process.exitCode = 1; console.error('   MISMATCH want', s.check ? ref(n)[s.w] : n) }
  await pg.end()
}
