// What users and operators can rely on while much goes on: everything a request held is free a tenth of a second after
// its client left, nothing is cut in silence, deadlines hold, slow readers stop nobody, logs hold no text.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { cli, golden, root, sleep, startServer, stories } from './server.mjs';

const tokens = JSON.parse(readFileSync(join(golden, 'stories/stories260K.json'))).greedy.text;
const canary = 'xylophone-canary-7f3a91';
let server;

before(async () => {
  const config = join(mkdtempSync(join(tmpdir(), 'deepanalyze-config-')), 'config.json');
  writeFileSync(config, '{}');
  server = await startServer({ DEEPANALYZE_CONFIG: config, OLLAMA_NUM_PARALLEL: '2', DEEPANALYZE_LOG_LEVEL: 'debug', DEEPANALYZE_LOG_FORMAT: 'json' });
  for (const name of ['stories', 'other']) {
    const modelfile = join(server.folder, `Modelfile-${name}`);
    writeFileSync(modelfile, `FROM ${stories}\nPARAMETER temperature 0\n`);
    assert.equal((await cli(server, ['create', name, '-f', modelfile])).code, 0);
  }
  assert.equal((await ask('Once')).status, 200);
});
after(async () => {
  await server.stop();
  rmSync(dirname(server.env.DEEPANALYZE_CONFIG), { recursive: true });
});

const post = (path, body, more = {}) => fetch(`${server.url}${path}`, { method: 'POST', body: JSON.stringify(body), ...more });
const ask = (prompt, options = {}, more = {}, extra = {}) =>
  post('/api/generate', { model: 'stories', prompt, raw: true, stream: false, options: { num_predict: 8, ...options }, ...more }, extra);
// Ten times the context is the most an answer may have; a list that must be long keeps the model from ending it before.
const endless = { model: 'stories', prompt: 'Once', raw: true, shift: true, format: { type: 'array', items: { type: 'integer' }, minItems: 100000 },
  options: { num_predict: 1000000, temperature: 1.5, num_ctx: 512 } };
async function metric(series) {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}
const running = () => metric('deepanalyze_model_sequences{model="stories:latest",state="running"}');
const inUse = () => metric('deepanalyze_kv_pages{model="stories:latest",use="in_use"}');
async function until(condition, most = 5000) {
  const begun = performance.now();
  while (!await condition()) {
    assert.ok(performance.now() - begun < most, 'in time');
    await sleep(2);
  }
  return performance.now() - begun;
}
// Until nothing is in use, as the runner tells when it goes to rest.
const freed = () => until(async () => await running() === 0 && await inUse() === 0);
const children = () => readdirSync(`/proc/${server.child.pid}/task`).flatMap((task) => {
  try {
    return readFileSync(`/proc/${server.child.pid}/task/${task}/children`, 'utf8').trim().split(' ');
  } catch {
    return [];   // the thread has ended
  }
}).filter(Boolean).map(Number);
// Starts an endless answer; resolves when it writes.
async function writing(more = {}) {
  const control = new AbortController();
  const answer = await post('/api/generate', { ...endless, ...more }, { signal: control.signal });
  assert.equal(answer.status, 200);
  return { control, answer };
}

test('a client that leaves frees everything within 100 ms, whatever its request was at', async () => {
  // Each state several times, and the median counts: asking takes its time too, and a machine may be busy for a moment.
  const decode = [], queue = [], prefill = [], load = [], embed = [];
  for (let i = 0; i < 4; ++i) {
    const one = await writing();
    await until(async () => await running() === 1, 1000).catch(() => {});   // news may lag; it writes all the same
    one.control.abort();
    decode.push(await freed());
  }
  // Waiting for its turn, behind two that write; new ones each time, since an answer has an end.
  for (let i = 0; i < 4; ++i) {
    const two = await Promise.all([writing(), writing()]);
    const waits = new AbortController();
    const third = post('/api/generate', endless, { signal: waits.signal }).catch(() => null);
    const waited = await until(async () => await metric('deepanalyze_queue_length') === 1, 1000).then(() => true, () => false);
    waits.abort();
    const left = await until(async () => await metric('deepanalyze_queue_length') === 0);
    if (waited) queue.push(left);   // else a writer had ended before
    await third;
    for (const each of two) each.control.abort();
    await freed();
  }
  // Reading a prompt, and being loaded: the moment is not known, so it is tried at several.
  for (let i = 0; i < 10; ++i) {
    const reads = new AbortController();
    const read = ask(`${i} ${tokens.repeat(2).slice(0, 1200)}`, {}, {}, { signal: reads.signal }).catch(() => null);
    await sleep(1 + i);
    reads.abort();
    prefill.push(await freed());
    await read;
  }
  // Texts that want vectors: more than a second's work.
  for (let i = 0; i < 5; ++i) {
    const control = new AbortController(), from = await metric('deepanalyze_model_steps_total{model="stories:latest"}');
    const texts = post('/api/embed', { model: 'stories', input: Array.from({ length: 400 }, () => tokens.repeat(2).slice(0, 1000)) }, { signal: control.signal }).catch(() => null);
    await sleep(60 + 10 * i);
    control.abort();
    embed.push(await freed());
    await texts;
    assert.ok(await metric('deepanalyze_model_steps_total{model="stories:latest"}') - from < 200, 'the rest was not computed');
  }
  await post('/api/generate', { model: 'other', keep_alive: 0 });
  const loads = () => server.log.split('"msg":"model unloaded"').length;
  for (let i = 0; i < 5; ++i) {
    const before = loads(), loading = new AbortController();
    const begun = post('/api/generate', { ...endless, model: 'other', keep_alive: 0 }, { signal: loading.signal }).catch(() => null);
    await sleep(4 * i);
    loading.abort();
    load.push(await until(async () => await metric('deepanalyze_queue_length') === 0));
    await begun;
    await until(() => loads() > before, 1000).catch(() => {});   // had not begun, perhaps
  }
  assert.ok(queue.length >= 2, 'most had to wait');
  for (const [state, times] of Object.entries({ decode, queue, prefill, load, embed })) {
    console.log(`${state}: freed after ms`, times.map((ms) => ms.toFixed(1)).join(' '));
    assert.ok(times.sort((a, b) => a - b)[times.length >> 1] < 100, `${state}: ${times} ms`);
  }
});

test('a hundred that want a model that is not loaded: one load, and all are served', async () => {
  await post('/api/generate', { model: 'other', keep_alive: 0 });
  await sleep(100);
  const before = await metric('deepanalyze_model_loads_total{outcome="ok"}');
  const control = new AbortController();
  const leaves = ask('Once', {}, { model: 'other' }, { signal: control.signal }).catch(() => null);
  const answers = await Promise.all(Array.from({ length: 99 }, (_, i) => {
    if (i === 10) control.abort();   // one that leaves cancels nothing
    return ask('Once', {}, { model: 'other' });
  }));
  await leaves;
  assert.ok(answers.every((answer) => answer.status === 200));
  assert.equal(await metric('deepanalyze_model_loads_total{outcome="ok"}'), before + 1);
});

test('SIGHUP with a file that cannot be read changes nothing, with another says what changed', async () => {
  const setting = async () => (await (await fetch(`${server.url}/api/admin/config`)).json()).max_queue;
  for (const broken of ['{', '[]', '{"max_queue": 1e999}', '{"max_queue": "many"}', '{"nothing": 1}', '']) {
    const from = server.log.length;
    writeFileSync(server.env.DEEPANALYZE_CONFIG, broken);
    server.child.kill('SIGHUP');
    await until(() => server.log.slice(from).includes('the settings stay as they are'));
    assert.equal((await setting()).value, '512', broken);
  }
  const from = server.log.length;
  writeFileSync(server.env.DEEPANALYZE_CONFIG, '{"max_queue": 77, "log_format": "text"} // a comment');
  server.child.kill('SIGHUP');
  await until(() => server.log.slice(from).includes('waits for the next start'));
  assert.match(server.log.slice(from), /"setting changed","setting":"max_queue","from":"512","to":"77","by":"SIGHUP"/);
  assert.deepEqual([(await setting()).value, (await setting()).source], ['77', 'file']);
  for (const line of server.log.slice(from).trim().split('\n')) JSON.parse(line);
});

test('the log level can be set while it runs, of models that run too', async () => {
  const prepared = () => server.log.split('"msg":"generate"').length;   // the runner says so at debug
  const level = async (value) => {
    const answer = await fetch(`${server.url}/api/admin/config`, { method: 'PUT', body: JSON.stringify({ log_level: value }) });
    assert.equal(answer.status, 200);
  };
  await level('warn');
  await ask('Once');
  const before = prepared();
  await ask('Once');
  assert.equal(prepared(), before);
  await level('debug');
  await ask('Once');
  await until(() => prepared() > before);
});

test('a model may have keys and values of its own type', async () => {
  const starter = join(root, 'models/starter/starter.gguf');
  for (const [name, type] of [['large', ''], ['small', 'PARAMETER kv_cache_type q8_0/q4_0\n']]) {
    const modelfile = join(server.folder, `Modelfile-${name}`);
    writeFileSync(modelfile, `FROM ${starter}\nPARAMETER temperature 0\n${type}`);
    assert.equal((await cli(server, ['create', name, '-f', modelfile])).code, 0);
  }
  const bytes = (model) => metric(`deepanalyze_model_memory_bytes{device="cpu",kind="kv",model="${model}:latest"}`);
  assert.equal((await ask('Once', {}, { model: 'small' })).status, 200);
  assert.equal((await ask('Once', {}, { model: 'large' })).status, 200);   // beside it, though the weights are the same
  assert.ok(await bytes('small') > 0 && await bytes('small') < 0.6 * await bytes('large'), `${await bytes('small')} of ${await bytes('large')}`);
});

test('nothing is cut in silence, on any endpoint', async () => {
  const long = `${tokens.slice(0, 900)} END`;
  const refused = [
    await ask(long, { num_ctx: 100 }), await ask(long, { num_ctx: 100 }, { shift: false, truncate: true }),
    await post('/api/chat', { model: 'stories', messages: [{ role: 'user', content: long }], stream: false, options: { num_ctx: 100 } }),
    await post('/api/embed', { model: 'stories', input: ['short', long], options: { num_ctx: 100 } }),
  ];
  for (const answer of refused) {
    assert.equal(answer.status, 400);
    assert.match((await answer.json()).error, /\d{3} tokens, at most (99|100)/);
  }
  const cut = await (await ask(long, { num_ctx: 100, num_predict: 20 }, { truncate: true })).json();
  assert.equal(cut.truncated.where, 'middle');
  assert.ok(cut.truncated.tokens > 100 && cut.truncated.from_token >= 4);
  assert.equal(cut.prompt_eval_count, 79, 'the answer has room');
  assert.equal(cut.eval_count, 20);
  const history = [...Array(12).keys()].map((i) => ({ role: i % 2 ? 'assistant' : 'user', content: `${i}: ${tokens.slice(i * 20, i * 20 + 60)}` }));
  history.push({ role: 'user', content: 'And?' });
  const chat = await (await post('/api/chat', { model: 'stories', messages: history, truncate: true, stream: false, options: { num_ctx: 120, num_predict: 4 } })).json();
  assert.equal(chat.truncated.where, 'oldest messages');
  assert.ok(chat.truncated.messages > 0 && chat.truncated.tokens > 0);
  const embed = await (await post('/api/embed', { model: 'stories', input: ['short', long], truncate: true, options: { num_ctx: 100 } })).json();
  assert.deepEqual(embed.truncated.map(({ input, where }) => [input, where]), [[1, 'end']]);
  // While writing: the context's end is the end, unless a shift is asked for, and then it is told.
  const full = await (await ask('Once', { num_ctx: 64, num_predict: -1, temperature: 1.5, seed: 4 })).json();
  assert.equal(full.done_reason, 'length');
  assert.equal(full.prompt_eval_count + full.eval_count, 64);
  const shifted = await (await ask('Once', { num_ctx: 64, num_predict: 200, temperature: 1.5, seed: 4 }, { shift: true })).json();
  assert.equal(shifted.eval_count, 200);
  assert.ok(shifted.shifted_tokens >= 100, JSON.stringify(shifted));
  assert.ok(shifted.response.startsWith(full.response.slice(0, 40)));
});

test('a runner that dies before the first token costs nobody an answer', async () => {
  for (const model of ['small', 'large']) await post('/api/generate', { model, keep_alive: 0 });
  assert.equal((await ask('Once')).status, 200);
  await until(() => children().length === 1);
  const [pid] = children();
  process.kill(pid, 'SIGSTOP');
  const asked = [ask('Once upon'), ask('A dog'), post('/api/embed', { model: 'stories', input: 'x' })];
  await sleep(100);
  process.kill(pid, 'SIGKILL');
  for (const answer of await Promise.all(asked)) assert.equal(answer.status, 200);
});

test('a deadline ends a request with a clear error, and frees what it held', async () => {
  const begun = performance.now();
  const answer = await post('/api/generate', { ...endless, stream: false, deadline: '150ms' });
  assert.equal(answer.status, 504);
  assert.match((await answer.json()).error, /deadline of 150 ms passed while it wrote, after \d+ tokens/);
  assert.ok(performance.now() - begun < 400);
  await freed();
  const streamed = await (await post('/api/generate', { ...endless }, { headers: { 'X-DeepAnalyze-Deadline': '0.15' } })).text();
  assert.match(JSON.parse(streamed.trim().split('\n').at(-1)).error, /deadline of 150 ms/);
});

test('a reader that does not read is held, and costs the others nothing', async () => {
  const socket = connect({ port: server.port, host: '127.0.0.1' });
  socket.pause();
  const body = JSON.stringify({ ...endless, format: undefined });
  socket.write(`POST /api/generate HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const held = () => metric('deepanalyze_model_sequences{model="stories:latest",state="held"}');
  await until(async () => {
    await ask('Once', { num_predict: 1 });   // a runner that is at rest says nothing: this makes it
    return await held() === 1;
  }, 60000);
  const generated = await metric('deepanalyze_model_steps_total{model="stories:latest"}');
  await sleep(200);
  await ask('Once', { num_predict: 1 });
  assert.ok(await metric('deepanalyze_model_steps_total{model="stories:latest"}') - generated < 10, 'nothing is computed for it');
  socket.destroy();
  await until(async () => {
    await ask('Once', { num_predict: 1 });
    return await held() === 0;
  });
});

test('the latency target can be set while it runs, and parallel too', async () => {
  const put = async (settings) => (await fetch(`${server.url}/api/admin/config`, { method: 'PUT', body: JSON.stringify(settings) })).status;
  assert.equal(await put({ latency_target: 5, parallel: 4 }), 200);
  const answers = await Promise.all(Array.from({ length: 6 }, () => ask(tokens.slice(0, 300), { num_predict: 30 })));
  const texts = await Promise.all(answers.map(async (answer) => (await answer.json()).response));
  assert.equal(new Set(texts).size, 1, 'how a batch is cut changes no text');
  assert.equal(await put({ latency_target: null, parallel: null }), 200);
  assert.equal(await put({ latency_target: -1 }), 400);
});

test('logs are one JSON object a line, name the parallelism, and hold no text at any level', async () => {
  for (const body of [
    { prompt: canary }, { prompt: canary, suffix: canary }, { prompt: canary, format: { type: 'object', properties: { [canary]: { type: 'string' } } } },
    { prompt: canary, system: canary, template: `${canary}{{ .Prompt }}` }, { prompt: canary, options: { stop: [canary] } }, { prompt: canary, options: { num_ctx: 4 } },
    { prompt: canary, template: `{{ .${canary} ` }, { prompt: [canary] },
  ]) await (await post(`/api/generate?q=${canary}`, { model: 'stories', stream: false, ...body })).text();
  await (await post('/api/chat', { model: 'stories', messages: [{ role: 'user', content: canary }], tools: [{ type: 'function', function: { name: canary } }], stream: false })).text();
  await (await post('/api/embed', { model: 'stories', input: canary })).text();
  await (await post('/api/analyze', { text: `${canary}.`, model: 'stories' })).text();
  await fetch(`${server.url}/api/tags`, { headers: { Authorization: `Bearer ${canary}` } });
  const said = (await (await ask(`${canary} Once upon a time`, { num_predict: 40 })).json()).response;
  await sleep(200);
  const lines = server.log.split('\n').filter((line) => line.startsWith('{'));
  assert.ok(lines.length > 20);
  for (const line of lines) assert.ok(JSON.parse(line).msg, line);
  assert.ok(lines.some((line) => JSON.parse(line).level === 'DEBUG'));
  assert.ok(lines.some((line) => /runner --parallel 2\b/.test(JSON.parse(line).command ?? '')), 'the command of the runner');
  assert.ok(!server.log.includes(canary), server.log.split('\n').find((line) => line.includes(canary)));
  assert.ok(said.length > 20 && !server.log.includes(said.slice(0, 20)));
  assert.ok(!(await (await fetch(`${server.url}/metrics`)).text()).includes(canary));
});
