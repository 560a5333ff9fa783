// Many requests at once against the real server: turns, a bounded queue, contexts of every length, killed runners.
// ENDURANCE=1000 does as many rounds; without it a few, for every change.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cli, golden, sleep, startServer, stories } from './server.mjs';

const rounds = Number(process.env.ENDURANCE ?? 0);
const tokens = JSON.parse(readFileSync(join(golden, 'stories/stories260K.json'))).greedy.text;
let server;

before(async () => {
  server = await startServer({ OLLAMA_NUM_PARALLEL: '3', OLLAMA_MAX_QUEUE: '12', OLLAMA_KEEP_ALIVE: '10m', DEEPANALYZE_LOG_LEVEL: 'info' });
  const modelfile = join(server.folder, 'Modelfile');
  writeFileSync(modelfile, `FROM ${stories}\nPARAMETER temperature 0\n`);
  const created = await cli(server, ['create', 'stories', '-f', modelfile]);
  assert.equal(created.code, 0, created.stderr);
});
after(async () => {
  const runners = children();
  const outcome = await server.stop();
  assert.equal(outcome.code, 0, JSON.stringify(outcome));
  assert.deepEqual(runners.filter(alive), [], 'no runner is left behind');
});

const children = () => readdirSync(`/proc/${server.child.pid}/task`)
  .flatMap((task) => readFileSync(`/proc/${server.child.pid}/task/${task}/children`, 'utf8').trim().split(' ')).filter(Boolean).map(Number);
const alive = (pid) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const random = (n) => Math.floor(Math.random() * n);
const ask = (prompt, options = {}, more = {}) => fetch(`${server.url}/api/generate`, {
  method: 'POST', body: JSON.stringify({ model: 'stories', prompt, raw: true, stream: false, options: { num_predict: 8, ...options }, ...more }),
});
async function metric(series) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}
const memory = () => Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${server.child.pid}/status`, 'utf8'))[1]);

test('a context of any length: nothing is loaded anew', async () => {
  for (let i = 0; i < (rounds || 60); ++i) {
    const answer = await ask(tokens.slice(0, 40 + random(200)), { num_ctx: 120 + random(2000) });
    assert.equal(answer.status, 200, await answer.text());
  }
  assert.equal(await metric('deepanalyze_model_loads_total{outcome="ok"}'), 1);
  assert.ok(await metric('deepanalyze_tokens_total{kind="cached"}') > 0, 'beginnings are shared');
});

test('each of many with a common beginning gets what it gets alone', async () => {
  const prompts = Array.from({ length: 12 }, (_, i) => tokens.slice(0, 150) + [' dog', ' cat', ' tree', ' big', ' red', ' sun'][i % 6].repeat(1 + (i % 4)));
  const alone = [];
  for (const prompt of prompts) alone.push((await (await ask(prompt, { num_predict: 40 })).json()).response);
  for (let round = 0; round < (rounds ? 50 : 3); ++round) {
    const together = await Promise.all(prompts.map(async (prompt) => (await (await ask(prompt, { num_predict: 40 })).json()).response));
    assert.deepEqual(together, alone);
  }
});

test('more than the queue holds: 503 with the time to come back, and everybody else is served', async () => {
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask(tokens.slice(0, 100), { num_predict: 300 })));
  const counts = {};
  for (const answer of answers) {
    counts[answer.status] = (counts[answer.status] ?? 0) + 1;
    const body = await answer.json();
    if (answer.status === 503) {
      assert.match(body.error, /^server busy, please try again/);
      assert.ok(Number(answer.headers.get('retry-after')) > 0);
      assert.ok(Number(answer.headers.get('x-queue-length')) <= 12);
    } else {
      assert.equal(answer.status, 200);
      assert.equal(body.eval_count, 300);
    }
  }
  assert.ok(counts[200] >= 15, JSON.stringify(counts));   // three places and twelve in the queue
  assert.ok(counts[503] > 0, JSON.stringify(counts));
  assert.equal(await metric('deepanalyze_queue_length'), 0);
});

test('runners killed at any moment: every client gets an answer or an error, the server goes on', async () => {
  const before = memory();
  let killed = 0;
  for (let i = 0; i < (rounds || 25); ++i) {
    const asked = [ask(tokens.slice(0, 80), { num_predict: 300 }), ask(tokens.slice(0, 30), { num_predict: 300 }, { stream: true })];
    await sleep(random(40));
    for (const pid of children()) {
      process.kill(pid, 'SIGKILL');
      ++killed;
    }
    for (const answer of await Promise.all(asked)) {
      assert.ok([200, 500, 503].includes(answer.status), `${answer.status}`);
      const text = await answer.text();
      assert.ok(text.includes('"error"') || text.includes('"done":true'), text.slice(-200));
    }
    // A load that is killed twice in a row rests before the next try.
    for (let wait = 0; (await ask('Once')).status !== 200; ++wait) {
      assert.ok(wait < 100, 'the model comes back');
      await sleep(100);
    }
  }
  assert.ok(killed >= (rounds || 25) / 2, `${killed} killed`);
  assert.ok(children().length <= 1);
  const grown = memory() - before;
  assert.ok(grown < 20000 + (rounds ? 20000 : 0), `the server grew by ${grown} kB`);
});
