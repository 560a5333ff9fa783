// The Ollama API as Ollama's own JavaScript client and plain HTTP see it.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Ollama } from 'ollama';
import { cli, golden, sleep, startServer, stories } from './server.mjs';

let server, ollama;
const expected = JSON.parse(readFileSync(join(golden, 'stories/stories260K.json'))).greedy;

before(async () => {
  server = await startServer();
  ollama = new Ollama({ host: server.url });
  const modelfile = join(server.folder, 'Modelfile 故事');
  writeFileSync(modelfile, `FROM ${stories}\nPARAMETER temperature 0\nPARAMETER num_predict 20\n`);
  const created = await cli(server, ['create', '故事', '-f', modelfile]);
  assert.notEqual(created.code, 0, 'a name outside the grammar is refused');
  const done = await cli(server, ['create', 'stories', '-f', modelfile]);
  assert.equal(done.code, 0, done.stderr);
});
after(async () => {
  const outcome = await server.stop();
  assert.equal(outcome.code, 0, `serve ended with ${JSON.stringify(outcome)}`);
});

const post = (path, body) => fetch(server.url + path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });

test('the fixed answers', async () => {
  assert.equal(await (await fetch(server.url)).text(), 'Ollama is running');
  assert.match((await (await fetch(`${server.url}/api/version`)).json()).version, /^\d+\.\d+\.\d+/);
  const missing = await fetch(`${server.url}/nowhere`);
  assert.equal(missing.status, 404);
});

test('greedy generation is the golden text', async () => {
  const answer = await ollama.generate({ model: 'stories', prompt: expected.prompt, raw: true, options: { temperature: 0, num_predict: 200 } });
  assert.equal(expected.prompt + answer.response, expected.text);
  assert.equal(answer.done_reason, 'length');
  assert.equal(answer.eval_count, 200);
  assert.equal(answer.prompt_eval_count, expected.prompt_ids.length);
  assert.ok(answer.total_duration >= answer.eval_duration && answer.eval_duration > 0);
});

test('a stream is the same text in pieces', async () => {
  const pieces = [];
  for await (const part of await ollama.generate({ model: 'stories', prompt: expected.prompt, raw: true, stream: true, options: { temperature: 0, num_predict: 200 } })) pieces.push(part);
  assert.equal(expected.prompt + pieces.map((part) => part.response).join(''), expected.text);
  assert.ok(pieces.length > 50);
  assert.deepEqual(pieces.map((part) => part.done), [...Array(pieces.length - 1).fill(false), true]);
});

test('chat, list, show, ps', async () => {
  const chat = await ollama.chat({ model: 'stories', messages: [{ role: 'user', content: 'Once' }], options: { num_predict: 5 } });
  assert.equal(chat.message.role, 'assistant');
  assert.equal(chat.done, true);
  const names = (await ollama.list()).models.map((model) => model.name);
  assert.ok(names.includes('stories:latest'), `${names}`);
  const shown = await ollama.show({ model: 'stories' });
  assert.equal(shown.model_info['general.architecture'], 'llama');
  assert.equal(shown.details.format, 'gguf');
  assert.match(shown.parameters, /temperature +0/);
  const loaded = (await ollama.ps()).models;
  assert.equal(loaded.length, 1);
  assert.equal(loaded[0].name, 'stories:latest');
  assert.equal(loaded[0].size_vram, 0);
});

test('JSON Schema binds the answer', async () => {
  const schema = { type: 'object', properties: { name: { type: 'string', maxLength: 12 }, age: { type: 'integer', minimum: 0, maximum: 99 }, mood: { enum: ['good', 'bad'] } }, required: ['name', 'age', 'mood'] };
  for (let seed = 0; seed < 5; ++seed) {
    const answer = await ollama.generate({ model: 'stories', prompt: 'A girl', raw: true, format: schema, options: { temperature: 1.5, seed, num_predict: 200 } });
    const value = JSON.parse(answer.response);
    assert.deepEqual(Object.keys(value), ['name', 'age', 'mood']);
    assert.ok(value.age >= 0 && value.age <= 99 && [...value.name].length <= 12 && ['good', 'bad'].includes(value.mood));
  }
});

test('equal seeds give equal answers, stop strings end them', async () => {
  const ask = (options) => ollama.generate({ model: 'stories', prompt: 'Once upon', raw: true, options: { temperature: 1, num_predict: 40, ...options } });
  const [a, b, c] = [await ask({ seed: 1 }), await ask({ seed: 1 }), await ask({ seed: 2 })];
  assert.equal(a.response, b.response);
  assert.notEqual(a.response, c.response);
  const whole = await ask({ temperature: 0 });
  const word = whole.response.trim().split(' ')[4];
  const cut = await ask({ temperature: 0, stop: [word] });
  assert.equal(cut.response, whole.response.slice(0, whole.response.indexOf(word)));
  assert.equal(cut.done_reason, 'stop');
});

test('ten at once get what each gets alone', async () => {
  const ask = (i) => ollama.generate({ model: 'stories', prompt: `Lily had ${i} dogs.`, raw: true, options: { temperature: 0, num_predict: 60 } });
  const alone = [];
  for (let i = 0; i < 10; ++i) alone.push((await ask(i)).response);
  const together = await Promise.all([...Array(10).keys()].map(ask));
  assert.deepEqual(together.map((answer) => answer.response), alone);
});

test('bad requests get a clear error', async () => {
  const cases = [
    ['/api/generate', '', 400, /missing request body/],
    ['/api/generate', '{"model":', 400, /./],
    ['/api/generate', { model: 'nothing-here', prompt: 'x' }, 404, /model 'nothing-here' not found/],
    ['/api/chat', {}, 400, /model is required/],
    ['/api/generate', { model: 'no such|name', prompt: 'x' }, 400, /invalid model name/],
    ['/api/generate', { model: '../../etc/passwd', prompt: 'x' }, 400, /invalid model name/],
    ['/api/generate', { model: '/etc/passwd', prompt: 'x' }, 400, /invalid model name/],
    ['/api/generate', { model: 'stories', prompt: 'x', options: { temperature: 'hot' } }, 500, /option "temperature" must be of type float32/],
    ['/api/generate', { model: 'stories', prompt: 'x', format: 'xml' }, 500, /invalid format/],
    ['/api/chat', { model: 'stories', messages: [{ role: 'user', content: 'x' }], keep_alive: '5' }, 400, /missing unit in duration/],
    ['/api/generate', { model: 'stories', prompt: 'word '.repeat(5000), raw: true, truncate: false }, 400, /\d+/],
  ];
  for (const [path, body, status, message] of cases) {
    const answer = await post(path, body);
    const json = await answer.json();
    assert.equal(answer.status, status, `${path} ${JSON.stringify(body).slice(0, 80)} -> ${JSON.stringify(json)}`);
    assert.match(json.error, message);
  }
});

test('a client that leaves stops the work', async () => {
  const abort = new AbortController();
  const answer = await fetch(`${server.url}/api/generate`, { method: 'POST', signal: abort.signal, body: JSON.stringify({ model: 'stories', prompt: 'Once', raw: true, options: { num_predict: 100000, num_ctx: 512 } }) });
  const reader = answer.body.getReader();
  await reader.read();
  abort.abort();
  await sleep(300);
  const after = await ollama.generate({ model: 'stories', prompt: expected.prompt, raw: true, options: { temperature: 0, num_predict: 5 } });
  assert.equal(after.eval_count, 5);
});

test('the server outlives a killed runner', async () => {
  await ollama.generate({ model: 'stories', prompt: 'Once', raw: true, options: { num_predict: 1 } });
  const children = readdirSync(`/proc/${server.child.pid}/task`).flatMap((task) => readFileSync(`/proc/${server.child.pid}/task/${task}/children`, 'utf8').trim().split(' ')).filter(Boolean);
  assert.equal(children.length, 1, 'one runner');
  const running = await fetch(`${server.url}/api/generate`, { method: 'POST', body: JSON.stringify({ model: 'stories', prompt: 'Once', raw: true, options: { num_predict: 100000, temperature: 1 } }) });
  const reader = running.body.getReader();
  await reader.read();
  process.kill(Number(children[0]), 'SIGKILL');
  let rest = '';
  for (let part; !(part = await reader.read()).done;) rest += Buffer.from(part.value).toString();
  assert.match(rest.trimEnd().split('\n').at(-1), /^{"error":"an error was encountered while running the model: model runner has unexpectedly stopped, [^:]*","retryable":true}$/);
  const again = await ollama.generate({ model: 'stories', prompt: expected.prompt, raw: true, options: { temperature: 0, num_predict: 5 } });
  assert.equal(again.eval_count, 5);
});

test('no text of a request or an answer is in the log', async () => {
  const canary = 'canary-Zq81vXw7';
  await ollama.generate({ model: 'stories', prompt: canary, raw: true, options: { num_predict: 3 } });
  await post('/api/generate', { model: 'stories', prompt: canary, options: { temperature: canary } });
  await post(`/api/generate?${canary}`, `{"prompt": "${canary}`);
  await post('/api/analyze', { text: canary, language: canary });
  assert.ok(server.log.includes('/api/generate'), 'requests are logged');
  assert.ok(!server.log.includes(canary), server.log);
});

test('unload and delete', async () => {
  assert.equal((await cli(server, ['stop', 'stories'])).code, 0);
  for (let i = 0; i < 40 && (await ollama.ps()).models.length > 0; ++i) await sleep(50);
  assert.equal((await ollama.ps()).models.length, 0);
  const copied = await cli(server, ['cp', 'stories', 'copy:of']);
  assert.equal(copied.code, 0, copied.stderr);
  const removed = await cli(server, ['rm', 'copy:of']);
  assert.equal(removed.stdout, "deleted 'copy:of'\n");
  const gone = await cli(server, ['rm', 'copy:of']);
  assert.equal(gone.code, 1);
  assert.match(gone.stderr, /^Error: .*not found/);
});
