// The mixed soak: for some minutes many kinds of requests against a server of its own, several at once, with clients
// that leave, models that come and go and analyses in between. Watches the memory of server and runners and fails if
// a request fails that should not, if a process is left behind, or, from ten minutes on, if the server's memory grows.
//
//   node bench/soak.mjs [--minutes 30] [--clients 4] [--pause-ms 50] [--analyses 100]
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cli, events, golden, root, sleep, startServer, stories } from '../tests/e2e/server.mjs';
import { anonymousKb, childrenOf, forgivenBytes, means, slope } from './memory.mjs';

const { values: options } = parseArgs({ options: { minutes: { type: 'string', default: '30' }, clients: { type: 'string', default: '4' }, 'pause-ms': { type: 'string', default: '50' }, analyses: { type: 'string', default: '100' } } });
const minutes = Number(options.minutes), judgesGrowth = minutes >= 10;   // before, arenas and pools still fill
const text = JSON.parse(readFileSync(join(golden, 'stories/stories260K.json'))).greedy.text;
const samples = readdirSync(join(root, '../shared/samples')).filter((name) => /^(nev|earnings)/.test(name)).map((name) => readFileSync(join(root, '../shared/samples', name), 'utf8'));
const random = (n) => Math.floor(Math.random() * n);

const server = await startServer({ DEEPANALYZE_LOG_LEVEL: 'info', OLLAMA_MAX_QUEUE: '64' });
process.on('exit', () => server.child.kill());
for (const name of ['stories', 'other']) {
  writeFileSync(join(server.folder, name), `FROM ${stories}\n`);
  const made = await cli(server, ['create', name, '-f', join(server.folder, name)]);
  if (made.code !== 0) throw new Error(made.stderr);
}

const counts = {}, failures = [];
const note = (kind, outcome) => { counts[`${kind} ${outcome}`] = (counts[`${kind} ${outcome}`] ?? 0) + 1; };
const post = (path, body, more = {}) => fetch(`${server.url}${path}`, { method: 'POST', body: JSON.stringify(body), ...more });

// What a request may come to besides its answer: 503 (queue), 504 (its deadline), 400 where the prompt is too long.
async function checked(kind, path, body, allowed = []) {
  const answer = await post(path, body);
  const reply = await answer.text();
  const last = JSON.parse(reply.trim().split('\n').at(-1));
  if (answer.status === 200 && !last.error) return note(kind, 'ok');
  if (allowed.includes(answer.status) || (last.error?.includes('deadline') && allowed.includes(504))) return note(kind, 'refused as it should');
  failures.push(`${kind}: ${answer.status} ${reply.slice(-200)}`);
  return note(kind, 'FAILED');
}
async function analysis() {
  const started = await post('/api/analyze', { text: samples[random(samples.length)], model: 'starter' });
  const { task_id: id } = await started.json();
  let last = {};
  for await (const event of events(await fetch(`${server.url}/api/stream?task_id=${id}`))) last = event;
  if (last.status === 'complete') return note('analyze', 'ok');
  failures.push(`analyze: ${JSON.stringify(last).slice(0, 200)}`);
  return note('analyze', 'FAILED');
}
const kinds = [
  () => checked('generate', '/api/generate', { model: 'stories', prompt: text.slice(0, random(800)) || 'x', raw: true, options: { num_predict: random(60) + 1, num_ctx: 200 + random(312) } }, [400]),
  () => checked('generate json', '/api/generate', { model: 'stories', prompt: 'A dog', format: 'json', stream: false, options: { num_predict: 40 } }),
  () => checked('chat', '/api/chat', { model: 'stories', messages: [{ role: 'user', content: text.slice(0, random(300)) || 'x' }], stream: random(2) === 0, options: { num_predict: 30, temperature: 1 } }),
  () => checked('chat cut', '/api/chat', { model: 'stories', messages: Array.from({ length: 9 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: text.slice(i * 30, i * 30 + 90) })), truncate: true, shift: true, stream: false, options: { num_predict: 100, num_ctx: 128 } }),
  () => checked('embed', '/api/embed', { model: 'stories', input: Array.from({ length: 1 + random(5) }, () => text.slice(0, 1 + random(400))) }),
  () => checked('other model', '/api/generate', { model: 'other', prompt: 'Once', stream: false, keep_alive: random(3), options: { num_predict: 10 } }),
  () => checked('deadline', '/api/generate', { model: 'stories', prompt: 'Once', raw: true, shift: true, deadline: '60ms', options: { num_predict: 100000, temperature: 2 } }, [504]),
  async () => {
    const control = new AbortController();
    setTimeout(() => control.abort(), random(120));
    await post('/api/generate', { model: 'stories', prompt: text.slice(0, 500), raw: true, options: { num_predict: 400 } }, { signal: control.signal }).then((answer) => answer.text()).catch(() => '');
    note('leaves', 'ok');
  },
  () => checked('settings', '/api/show', { model: 'stories' }),
];

const runnersKb = () => childrenOf(server.child.pid).map(anonymousKb).reduce((a, b) => a + b, 0);
const samples_of_memory = [];
console.log(`soak: ${minutes} minutes, ${options.clients} clients, server ${server.child.pid}`);
for (let i = 0; i < Number(options.analyses); ++i) await analysis();
console.log(`${options.analyses} analyses in a row: ${JSON.stringify(counts)}, server ${anonymousKb(server.child.pid)} kB`);
const begun = performance.now(), end = begun + minutes * 60000;
const watch = setInterval(() => {
  samples_of_memory.push({ hours: (performance.now() - begun) / 3600000, server: anonymousKb(server.child.pid), runners: runnersKb() });
}, 2000);
await Promise.all(Array.from({ length: Number(options.clients) }, async () => {
  while (performance.now() < end) {
    await (random(12) === 0 ? analysis() : kinds[random(kinds.length)]());
    await sleep(Number(options['pause-ms']));
  }
}));
clearInterval(watch);
// The first third is warm-up: pools and caches fill.
const settled = samples_of_memory.slice(Math.floor(samples_of_memory.length / 3));
const requests = Object.values(counts).reduce((a, b) => a + b, 0) / ((performance.now() - begun) / 3600000);   // an hour
const growth = (key) => {
  const { slope: kb, error } = slope(means(settled.map((sample) => ({ x: sample.hours, y: sample[key] }))));
  return { kb, error: 2 * error, bytes: kb * 1024 / requests, grows: (kb - 2 * error) * 1024 / requests > forgivenBytes };
};
const told = ({ kb, error, bytes }) => `slope ${kb.toFixed(0)} +- ${error.toFixed(0)} kB/h, ${bytes.toFixed(2)} bytes a request`;
const pids = childrenOf(server.child.pid);
const outcome = await server.stop();
await sleep(300);
const left = pids.filter((pid) => { try { return process.kill(pid, 0); } catch { return false; } });
const first = settled[0], last = settled.at(-1);
console.log(JSON.stringify(counts));
console.log(`server RssAnon ${first.server} -> ${last.server} kB, ${told(growth('server'))}; runners ${first.runners} -> ${last.runners} kB, ${told(growth('runners'))} (they come and go)${judgesGrowth ? '' : '; too short to tell growth'}`);
console.log(`${failures.length} failures; server ended ${JSON.stringify(outcome)}; processes left: ${left.length}`);
for (const failure of failures.slice(0, 10)) console.log(failure);
if (failures.length > 0 || (judgesGrowth && growth('server').grows) || left.length > 0 || outcome.code !== 0) {
  console.log('soak: FAILED');
  process.exit(1);
}
console.log('soak: passed');
