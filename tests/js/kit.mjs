// Starts personalize-simulator for the checks and makes clients of the AWS SDK for it.
// STEWARD_BUILD names the build folder; without it the newest build*/personalize-simulator is taken.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const REGION = 'us-east-1';
export const ACCOUNT = '123456789012';
export const ROLE = `arn:aws:iam::${ACCOUNT}:role/Personalize`;
export const MIB = 1 << 20;

function binary() {
  if (process.env.STEWARD_BUILD) return join(resolve(root, process.env.STEWARD_BUILD), 'personalize-simulator');
  const found = readdirSync(root).filter((name) => name.startsWith('build'))
    .map((name) => join(root, name, 'personalize-simulator')).filter((path) => existsSync(path))
    .sort((a, b) => statSync(a).mtimeMs - statSync(b).mtimeMs);
  if (!found.length) throw new Error('personalize-simulator is not built');
  return found.at(-1);
}

export async function startSimulator(...options) {
  const folder = mkdtempSync(join(tmpdir(), 'simulator-'));
  const child = spawn(binary(), ['--listen', '127.0.0.1:0', '--data-dir', folder, '--log-level', 'warn', ...options],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((done) => child.once('exit', (code, signal) => done(code ?? signal)));
  const line = await Promise.race([
    new Promise((done) => createInterface(child.stdout).once('line', done)),
    ended.then((code) => { throw new Error(`the simulator ended with ${code}`); }),
  ]);
  const url = line.split(' ').at(-1);
  return {
    url,
    client: (Client, more = {}) => new Client({
      endpoint: url, region: REGION, credentials: { accessKeyId: 'test', secretAccessKey: 'test' }, maxAttempts: 1, ...more,
    }),
    admin: async (path, body) => {
      const answer = await fetch(`${url}/_simulator/${path}`,
        { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return answer.json();
    },
    stop: async () => {
      child.kill('SIGTERM');
      const code = await ended;
      rmSync(folder, { recursive: true, force: true });
      return code;
    },
  };
}

// The first answer of ask() that is good, or an error after 20 s.
export async function until(ask, isGood) {
  const end = Date.now() + 20_000;
  let last;
  while (Date.now() < end) {
    last = await ask();
    if (isGood(last)) return last;
    await sleep(20);
  }
  throw new Error(`nothing within the time allowed; last: ${JSON.stringify(last)}`);
}
