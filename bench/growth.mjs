// Memory a request leaves behind: thousands of requests of each kind, one kind after another, against a server of its
// own, and the resident anonymous memory of server and runners before and after. What is kept for each request shows
// here within a minute, as bytes a request; a soak needs hours for it.
//
//   node bench/growth.mjs [--requests 20000] [--kinds generate,chat,…] [--clients 4] [--trace]
//
// Fails if the second half of a kind's requests left more than two bytes each (see memory.mjs) in the server or its
// runners, beyond twice the error of the slope.
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cli, golden, root, startServer, stories } from '../tests/e2e/server.mjs';
import { anonymousKb, childrenOf, forgivenBytes, means, slope } from './memory.mjs';

const { values: options } = parseArgs({ options: { requests: { type: 'string', default: '20000' }, clients: { type: 'string', default: '4' }, kinds: { type: 'string', default: '' }, trace: { type: 'boolean', default: false } } });
const text = JSON.parse(readFileSync(join(golden, 'stories/stories260K.json'))).greedy.text;
const samples = readdirSync(join(root, '../shared/samples')).filter((name) => /^(nev|earnings)/.test(name)).map((name) => readFileSync(join(root, '../shared/samples', name), 'utf8'));
const random = (n) => Math.floor(Math.random() * n);

const server = await startServer({ DEEPANALYZE_LOG_LEVEL: 'error', OLLAMA_MAX_QUEUE: '64' });
process.on('exit', () => server.child.kill());
for (const name of ['stories', 'other']) {
  writeFileSync(join(server.folder, name), `FROM ${stories}\n`);
  const made = await cli(server, ['create', name, '-f', join(server.folder, name)]);
  if (made.code !== 0) throw new Error(made.stderr);
}

const kept = new http.Agent({ keepAlive: true, maxSockets: Number(options.clients) });
// `cut`: leave after so many milliseconds.
function call(method, path, body, { agent = kept, cut } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: server.port, method, path, agent }, (answer) => {
      let reply = '';
      answer.on('data', (data) => { reply += data; });
      answer.on('end', () => resolve({ status: answer.statusCode, reply }));
      answer.on('error', () => resolve({ status: 0, reply: '' }));
    });
    request.on('error', (error) => (cut === undefined ? reject(error) : resolve({ status: 0, reply: '' })));
    if (cut !== undefined) setTimeout(() => request.destroy(), cut);
    request.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
const wants = (status, path, body, more) => async () => {
  const answer = await call('POST', path, typeof body === 'function' ? body() : body, more);
  if (answer.status !== status) throw new Error(`${path}: ${answer.status} ${answer.reply.slice(0, 200)}`);
};
const prompt = () => text.slice(random(100), 200 + random(200));
const kinds = {
  version: async () => { await call('GET', '/api/version'); },
  connection: async () => { await call('GET', '/api/version', undefined, { agent: false }); },
  metrics: async () => { await call('GET', '/metrics'); },
  ps: async () => { await call('GET', '/api/ps'); },
  show: wants(200, '/api/show', { model: 'stories' }),
  generate: wants(200, '/api/generate', () => ({ model: 'stories', prompt: prompt(), raw: true, options: { num_predict: 2, num_ctx: 200 + random(300) } })),
  'whole answer': wants(200, '/api/generate', () => ({ model: 'stories', prompt: prompt(), raw: true, stream: false, options: { num_predict: 2 } })),
  json: wants(200, '/api/generate', { model: 'stories', prompt: 'A dog', format: 'json', stream: false, options: { num_predict: 8 } }),
  chat: wants(200, '/api/chat', () => ({ model: 'stories', messages: [{ role: 'user', content: prompt() }], options: { num_predict: 2, temperature: 1 } })),
  embed: wants(200, '/api/embed', () => ({ model: 'stories', input: [prompt(), prompt()] })),
  refused: wants(400, '/api/generate', () => ({ model: 'stories', prompt: text.repeat(4), raw: true, options: { num_ctx: 64 } })),
  'chat cut': wants(200, '/api/chat', { model: 'stories', messages: Array.from({ length: 9 }, (_, i) => ({ role: i % 2 ? 'assistant' : 'user', content: text.slice(i * 30, i * 30 + 90) })), truncate: true, shift: true, stream: false, options: { num_predict: 20, num_ctx: 128 } }),
  deadline: async () => { await call('POST', '/api/generate', { model: 'stories', prompt: 'Once', raw: true, shift: true, deadline: '20ms', options: { num_predict: 100000, temperature: 2 } }); },
  analyze: async () => {
    const begun = JSON.parse((await call('POST', '/api/analyze', { text: samples[random(samples.length)], model: 'starter' })).reply);
    if (begun.task_id === undefined) throw new Error(JSON.stringify(begun));
    const { reply } = await call('GET', `/api/stream?task_id=${begun.task_id}`);
    if (!reply.includes('complete')) throw new Error(reply.slice(-300));
  },
  leaves: async () => { await call('POST', '/api/generate', { model: 'stories', prompt: prompt(), raw: true, options: { num_predict: 400 } }, { agent: false, cut: random(20) }); },
  load: wants(200, '/api/generate', { model: 'other', prompt: 'Once', stream: false, keep_alive: 0, options: { num_predict: 1 } }),
};
const whole = Object.keys(kinds).filter((name) => name !== 'mixed');
kinds.mixed = async () => { await kinds[whole[random(whole.length)]](); };
// A load costs a process: fewer of them say as much.
const share = { load: 0.03, json: 0.2, leaves: 0.25, deadline: 0.1, analyze: 0.05, 'chat cut': 0.2 };

const wanted = options.kinds === '' ? Object.keys(kinds) : options.kinds.split(',');
const memory = () => ({ server: anonymousKb(server.child.pid), runners: childrenOf(server.child.pid).map(anonymousKb).reduce((a, b) => a + b, 0) });
let failed = false;
console.log('| kind | requests | a second | server kB | bytes a request | runners kB | bytes a request |\n|---|---|---|---|---|---|---|');
await kinds.generate();
for (const name of wanted) {
  const n = Math.max(200, Math.round(Number(options.requests) * (share[name] ?? 1)));
  const points = [];
  let done = 0;
  const begun = performance.now(), before = memory();
  await Promise.all(Array.from({ length: Number(options.clients) }, async () => {
    while (done < n) {
      ++done;
      if (done % Math.ceil(n / 100) === 0) points.push({ x: done, ...memory() });
      await kinds[name]();
    }
  }));
  const seconds = (performance.now() - begun) / 1000, after = memory();
  const settled = points.slice(Math.floor(points.length / 2));
  const of = (key) => slope(means(settled.map((point) => ({ x: point.x, y: point[key] * 1024 }))));
  // While models come and go their sum says nothing.
  const [s, r] = [of('server'), ['load', 'mixed'].includes(name) ? { slope: 0, error: 0 } : of('runners')];
  console.log(`| ${name} | ${n} | ${(n / seconds).toFixed(0)} | ${before.server} -> ${after.server} | ${s.slope.toFixed(2)} +- ${(2 * s.error).toFixed(2)} | ${before.runners} -> ${after.runners} | ${r.slope.toFixed(2)} +- ${(2 * r.error).toFixed(2)} |`);
  for (const one of [s, r]) failed ||= one.slope - 2 * one.error > forgivenBytes;
  if (options.trace) console.log(points.filter((_, i) => i % 10 === 9).map((p) => `${p.server}/${p.runners}`).join(' '));
}
kept.destroy();
await server.stop();
console.log(failed ? 'growth: FAILED' : 'growth: passed');
process.exit(failed ? 1 : 0);
