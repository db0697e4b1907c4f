// Durable work on the peers, driven by lines on standard input, one JSON line of answer each.
// usage: workflows.mjs dbos|graphile|pgboss DATABASE_URL CALL_URL
//   flow N      N workflows of ten steps, one HTTP call a step, every step committed before the next: {"rate"}
//   noop N      N jobs that do nothing, from a backlog: {"rate"}
//   latency N   enqueue on the idle engine, N times: {"p50", "p99"} in ms from before the enqueue to the job's first line
//   wait N S    N workflows that look (one call) every S seconds: {"waiting": N}; they go on until the next command
//   late        lateness of the looks since: {"p50", "p99"} in ms
import http from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

const [engine, url, callUrl] = process.argv.slice(2);
const STEPS = 10;
// Connections are kept and reused, as ours are.
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const call = () => new Promise((resolve, reject) => {
  const request = http.request(callUrl, { agent, method: 'POST' }, (response) => { response.resume(); response.on('end', resolve); });
  request.on('error', reject);
  request.end('{}');
});
const quantiles = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  return { p50: sorted[Math.floor(sorted.length / 2)] ?? null, p99: sorted[Math.floor(sorted.length * 0.99)] ?? null };
};
const late = [];
let toDo = 0, finished, waits = false, every = 20000;
const expect = (n) => { toDo = n; return new Promise((resolve) => { finished = resolve; }); };
const done = () => { if (--toDo === 0) finished(); };
let firstLine = () => {};

const engines = {
  // Jobs of one workflow are chained: each adds the next when it is done, as the documentation shows.
  async graphile() {
    const { run, makeWorkerUtils, Logger } = await import('graphile-worker');
    const logger = new Logger(() => (level, message) => { if (level === 'error') console.error(message); });
    const utils = await makeWorkerUtils({ connectionString: url, logger });
    await utils.migrate();
    const taskList = {
      step: async ({ n }, helpers) => { await call(); if (n < STEPS) await helpers.addJob('step', { n: n + 1 }); else done(); },
      noop: async () => done(),
      first: async () => firstLine(),
      look: async ({ at }, helpers) => {
        if (!waits) return;
        late.push(Date.now() - at);
        await call();
        const next = at + every;
        await helpers.addJob('look', { at: next }, { runAt: new Date(next) });
      },
    };
    // 24 jobs at once over a pool as large, as in its own performance test.
    await run({ connectionString: url, concurrency: 24, maxPoolSize: 26, pollInterval: 1000, taskList, logger, noHandleSignals: true });
    const many = (task, payloads) => utils.withPgClient((client) => client.query(
      'SELECT graphile_worker.add_jobs(ARRAY(SELECT json_populate_record(null::graphile_worker.job_spec, j) FROM json_array_elements($1::json) j))',
      [JSON.stringify(payloads.map((p) => ({ identifier: task, payload: p.payload ?? {}, run_at: p.runAt ?? null })))]));
    return {
      start: (n) => many('step', Array.from({ length: n }, () => ({ payload: { n: 1 } }))),
      noop: (n) => many('noop', Array.from({ length: n }, () => ({}))),
      first: () => utils.addJob('first', {}),
      wait: (list) => many('look', list.map((at) => ({ payload: { at }, runAt: new Date(at) }))),
    };
  },
  async pgboss() {
    const { default: PgBoss } = await import('pg-boss');
    // Its shortest polling interval; batches of its largest documented size for the work that allows it.
    const boss = new PgBoss({ connectionString: url, max: 10, newJobCheckInterval: 100 });
    boss.on('error', console.error);
    await boss.start();
    await boss.work('step', { teamSize: 64, teamConcurrency: 64, newJobCheckInterval: 100, teamRefill: true }, async ({ data: { n } }) => {
      await call();
      if (n < STEPS) await boss.send('step', { n: n + 1 }); else done();
    });
    await boss.work('noop', { batchSize: 1000, newJobCheckInterval: 100 }, async (jobs) => { for (let i = 0; i < jobs.length; i++) done(); });
    await boss.work('first', { newJobCheckInterval: 100 }, async () => firstLine());
    const many = (name, list) => boss.insert(list.map((data) => ({ name, data })));
    return {
      start: (n) => many('step', Array.from({ length: n }, () => ({ n: 1 }))),
      noop: (n) => many('noop', Array.from({ length: n }, () => ({}))),
      first: () => boss.send('first', {}),
    };
  },
  async dbos() {
    const { DBOS } = await import('@dbos-inc/dbos-sdk');
    DBOS.setConfig({ name: 'bench', databaseUrl: url, userDbclient: 'pg-node', sysDbName: 'dbos_system', logLevel: 'error',
      runAdminServer: false });
    // What its decorators do in TypeScript.
    class Bench {
      static async step() { await call(); }
      static async flow() { for (let i = 0; i < STEPS; i++) await Bench.step(); }
      static async nothing() {}
      static async first() { firstLine(); }
    }
    for (const [name, decorate] of [['step', DBOS.step()], ['flow', DBOS.workflow()], ['nothing', DBOS.workflow()], ['first', DBOS.workflow()]]) {
      const descriptor = Object.getOwnPropertyDescriptor(Bench, name);
      Object.defineProperty(Bench, name, decorate(Bench, name, descriptor) ?? descriptor);
    }
    await DBOS.launch();
    const start = async (name, n) => {
      const handles = [];
      for (let i = 0; i < n; i += 64)
        handles.push(...await Promise.all(Array.from({ length: Math.min(64, n - i) }, () => DBOS.startWorkflow(Bench)[name]())));
      await Promise.all(handles.map((h) => h.getResult().then(done)));
    };
    return { start: (n) => start('flow', n), noop: (n) => start('nothing', n), first: () => DBOS.startWorkflow(Bench).first() };
  },
};

const run = await engines[engine]();
// From the first on; of a backlog only the draining counts, where there is one (DBOS starts what it is given at once).
const timed = async (n, start, isBacklog) => {
  const all = expect(n);
  let begun = process.hrtime.bigint();
  const started = start(n);
  if (isBacklog) {
    await started;
    begun = process.hrtime.bigint();
  }
  await Promise.all([started, all]);
  const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
  return { rate: n / seconds, seconds };
};
const commands = {
  flow: (n) => timed(Number(n), run.start),
  noop: (n) => timed(Number(n), run.noop, engine !== 'dbos'),
  async latency(n) {
    const list = [];
    for (let i = 0; i < Number(n); i++) {
      const seen = new Promise((resolve) => { firstLine = () => resolve(process.hrtime.bigint()); });
      const begun = process.hrtime.bigint();
      await run.first();
      list.push(Number(await seen - begun) / 1e6);
      await sleep(30 + Math.random() * 40);
    }
    return quantiles(list);
  },
  async wait(n, seconds) {
    every = Number(seconds) * 1000;
    waits = true;
    const now = Date.now() + 1000;
    await run.wait(Array.from({ length: Number(n) }, (_, i) => now + (i * every) / Number(n)));
    late.length = 0;
    return { waiting: Number(n) };
  },
  async late() { const answer = quantiles(late); late.length = 0; return answer; },
};
console.log('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...rest] = line.trim().split(' ');
  console.log(JSON.stringify(await commands[name](...rest)));
}
process.exit(0);
