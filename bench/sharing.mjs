// What sharing a server costs and saves, each against its bound: the time to the first token of a second request on the
// same 4k-token document (under 5 % of the first), the wait of a light user beside a heavy one (p95 within 20 %), ten
// times more requests than there is room for (503s, bounded memory), and the engine's own share of a step (under 3 %).
//
// The last is of the model's own: a little model has short steps. `--file` measures it with another, as the one that
// `deepanalyze bench --synthetic 1b:Q4_0 --keep FILE` writes.
//
//   node bench/sharing.mjs [--rounds 5] [--file MODEL.gguf]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cli, root, sleep, startServer } from '../tests/e2e/server.mjs';

const { values: options } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, file: { type: 'string', default: '' } } });
const rounds = Number(options.rounds);

// The bundled model with a longer context than it was made for: its words mean nothing then, its time is as real.
function longer(path, n) {
  const bytes = Buffer.from(readFileSync(path));
  const key = Buffer.from('llama.context_length');
  const at = bytes.indexOf(key);
  if (at < 0) throw new Error('no context_length');
  bytes.writeUInt32LE(n, at + key.length + 4);   // after the type of the value
  return bytes;
}

const server = await startServer({ DEEPANALYZE_LOG_LEVEL: 'warn', OLLAMA_MAX_QUEUE: '16' });
process.on('exit', () => server.child.kill());
const file = join(server.folder, 'long.gguf');
writeFileSync(file, longer(join(root, 'models/starter/starter.gguf'), 8192));
writeFileSync(join(server.folder, 'Modelfile'), `FROM ${file}\nPARAMETER temperature 0\n`);
const made = await cli(server, ['create', 'long', '-f', join(server.folder, 'Modelfile')]);
if (made.code !== 0) throw new Error(made.stderr);
const words = 'the of and to in report market price growth company year sales order month staff team plan cost risk value'.split(' ');
const document = (n) => Array.from({ length: n }, () => words[Math.floor(Math.random() * words.length)]).join(' ');
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const quantile = (list, q) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * q))];
let failed = false;
const say = (what, value, holds) => {
  console.log(`${holds ? 'ok    ' : 'FAILED'} ${what}: ${value}`);
  failed ||= !holds;
};
async function metric(series) {
  const line = (await (await fetch(`${server.url}/metrics`)).text()).split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}
const ask = (prompt, more = {}, headers = {}) => fetch(`${server.url}/api/generate`, {
  method: 'POST', headers, body: JSON.stringify({ model: 'long', prompt, raw: true, options: { num_predict: 8, num_ctx: 8192 }, ...more }),
});
async function firstToken(prompt) {
  const begun = performance.now(), answer = await ask(prompt);
  const reader = answer.body.getReader();
  const first = await reader.read();
  const ms = performance.now() - begun;
  let text = Buffer.from(first.value).toString();
  for (let part; !(part = await reader.read()).done;) text += Buffer.from(part.value).toString();
  const last = JSON.parse(text.trim().split('\n').at(-1));
  if (last.error) throw new Error(last.error);
  return { ms, tokens: last.prompt_eval_count };
}

// 1. The same document twice.
await firstToken('warm up');
const ratios = [], firsts = [], seconds = [];
let tokens = 0;
for (let i = 0; i < rounds; ++i) {
  const text = document(1840);   // about 4,100 tokens
  const first = await firstToken(`${text} Question one?`), second = await firstToken(`${text} Another question?`);
  tokens = first.tokens;
  firsts.push(first.ms);
  seconds.push(second.ms);
  ratios.push(second.ms / first.ms);
}
say(`second request on the same ${tokens}-token document`, `${median(seconds).toFixed(1)} ms against ${median(firsts).toFixed(1)} ms, ${(100 * median(ratios)).toFixed(1)} % (bound 5 %)`, median(ratios) < 0.05);

// 2. A light user, alone and beside a heavy one with twenty requests at all times, more than there are places for. The
// wait is the server's, from the request to its model; the first token and the end are what the light user sees.
async function light(n, name = 'long', n_predict = 4) {
  const visits = [];
  for (let i = 0; i < n; ++i) {
    const begun = performance.now();
    const answer = await ask('A short question?', { model: name, options: { num_predict: n_predict, num_ctx: 8192 } }, { Authorization: 'Bearer light' });
    if (answer.status !== 200) throw new Error(await answer.text());
    let first, text = '';
    for await (const chunk of answer.body) {
      first ??= performance.now() - begun;
      text += Buffer.from(chunk).toString();
    }
    const last = JSON.parse(text.trim().split('\n').at(-1));
    if (last.error) throw new Error(last.error);
    visits.push({ all: performance.now() - begun, first, queue: (last.load_duration ?? 0) / 1e6 });
    await sleep(20);
  }
  return visits;
}
async function besideHeavy(name, n) {
  await light(3, name);
  const alone = await light(n, name);
  let going = true, heavy_done = 0;
  const heavy = Array.from({ length: 20 }, async () => {
    while (going) {
      const answer = await ask(document(300), { model: name, stream: false, options: { num_predict: 64, num_ctx: 8192 } }, { Authorization: 'Bearer heavy' });
      await answer.text();
      if (answer.status === 200) ++heavy_done;
      else await sleep(50);
    }
  });
  await sleep(options.file && name === 'given' ? 20000 : 500);
  const beside = await light(n, name);
  going = false;
  await Promise.all(heavy);
  const p = (list, key, q) => quantile(list.map((one) => one[key]), q);
  const both = (key, q) => `${p(alone, key, q).toFixed(1)} -> ${p(beside, key, q).toFixed(1)} ms`;
  const wait = p(beside, 'queue', 0.95), bound = Math.max(p(alone, 'queue', 0.95) * 1.2, p(alone, 'queue', 0.95) + 10);
  say(`a light user alone -> beside a heavy one (${heavy_done} answers), ${name}`, `p95 of the wait for a place ${both('queue', 0.95)}; first token p50 ${both('first', 0.5)}, p95 ${both('first', 0.95)}; in all p50 ${both('all', 0.5)}, p95 ${both('all', 0.95)}`, wait < bound);
}
await besideHeavy('long', 60);

// The same beside one that wants vectors of many texts at all times, and short texts of the light user too.
async function besideTexts() {
  const embed = (input, key) => fetch(`${server.url}/api/embed`, { method: 'POST', headers: { Authorization: `Bearer ${key}` }, body: JSON.stringify({ model: 'long', input, options: { num_ctx: 8192 } }) });
  const short = async (n) => {
    const ms = [];
    for (let i = 0; i < n; ++i) {
      const begun = performance.now(), answer = await embed('A short text', 'light');
      await answer.text();
      if (answer.status !== 200) throw new Error(`embed: ${answer.status}`);
      ms.push(performance.now() - begun);
      await sleep(20);
    }
    return ms;
  };
  const alone = { writes: await light(40), texts: await short(40) };
  let going = true, n_texts = 0;
  const heavy = Array.from({ length: 4 }, async () => {
    while (going) {
      const answer = await embed(Array.from({ length: 40 }, () => document(200)), 'heavy');
      await answer.text();
      if (answer.status !== 200) throw new Error(`embed: ${answer.status}`);
      n_texts += 40;
    }
  });
  await sleep(500);
  const beside = { writes: await light(40), texts: await short(40) };
  going = false;
  await Promise.all(heavy);
  const both = (q, of) => `${quantile(of(alone), q).toFixed(1)} -> ${quantile(of(beside), q).toFixed(1)} ms`;
  const all = (one) => one.writes.map((visit) => visit.all), first = (one) => one.writes.map((visit) => visit.first), vector = (one) => one.texts;
  say(`a light user alone -> beside one who embeds (${n_texts} texts of 440 tokens)`, `first token p50 ${both(0.5, first)}, p95 ${both(0.95, first)}; in all p95 ${both(0.95, all)}; a short text's vector p50 ${both(0.5, vector)}, p95 ${both(0.95, vector)}`,
    n_texts > 0 && quantile(vector(beside), 0.95) < 1000);
}
await besideTexts();

// 3. Ten times too many at once.
const rss = () => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]);
const before = rss();
const answers = await Promise.all(Array.from({ length: 320 }, async () => {
  const answer = await ask('Once upon', { stream: false, options: { num_predict: 100 } });
  await answer.text();
  return { status: answer.status, retry: answer.headers.get('retry-after') };
}));
const ok = answers.filter((one) => one.status === 200).length, refused = answers.filter((one) => one.status === 503);
say('320 at once, room for 32', `${ok} answered, ${refused.length} told to come back in ${refused[0]?.retry} s, ${answers.length - ok - refused.length} else; server ${before} -> ${rss()} kB`,
  ok >= 17 && ok + refused.length === 320 && refused.every((one) => Number(one.retry) > 0) && rss() - before < 50000);

// 4. The engine's own share: one that writes alone, and four at once.
let name = 'long';
if (options.file) {
  name = 'given';
  writeFileSync(join(server.folder, 'Given'), `FROM ${options.file}\n`);
  const given = await cli(server, ['create', name, '-f', join(server.folder, 'Given')]);
  if (given.code !== 0) throw new Error(given.stderr);
  await besideHeavy(name, 10);
}
const write = async (n) => { await (await ask('Once upon a time', { model: name, stream: false, options: { num_predict: n, num_ctx: 1024, temperature: 0.8 } })).json(); };
await write(2);
for (const streams of [1, 4]) {
  const read = async () => ({
    all: await metric(`deepanalyze_model_step_seconds_total{model="${name}:latest",part="all"}`),
    model: await metric(`deepanalyze_model_step_seconds_total{model="${name}:latest",part="model"}`),
    steps: await metric(`deepanalyze_model_steps_total{model="${name}:latest"}`),
  });
  const from = await read();
  await Promise.all(Array.from({ length: streams }, () => write(options.file ? 40 : 200)));
  const to = await read();
  const all = to.all - from.all, own = all - (to.model - from.model), steps = to.steps - from.steps;
  const step_ms = 1000 * all / steps;
  say(`the engine's own share, ${streams} at once`, `${(100 * own / all).toFixed(2)} % of ${step_ms.toFixed(2)} ms a step, ${(1e6 * own / steps).toFixed(0)} us (bound 3 % where a step takes 10 ms or more)`, own / all < 0.03 || step_ms < 10);
}
await server.stop();
process.exit(failed ? 1 : 0);
