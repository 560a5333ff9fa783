// C01: clients with a secret each, over and over in turns and at once; none ever sees another's, in no answer, and a
// key's requests find nothing computed for another key. CANARY_MINUTES=60 goes on for so long.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startServer } from './server.mjs';

const minutes = Number(process.env.CANARY_MINUTES ?? 0);
const random = (n) => Math.floor(Math.random() * n);
let server;
before(async () => { server = await startServer({ DEEPANALYZE_LOG_LEVEL: 'debug', OLLAMA_MAX_QUEUE: '200' }); });
after(async () => { await server.stop(); });

// Letters that a tokenizer cuts in many ways, so that no piece of a secret is a common word.
const clients = Array.from({ length: 12 }, (_, i) => ({ key: `key-${i}`, secret: randomBytes(9).toString('hex'), n: 0 }));
const shared = 'The contract was signed in Wuhan. '.repeat(6);   // the same beginning for all

async function turn(client) {
  const headers = client.key === 'key-0' ? {} : { Authorization: `Bearer ${client.key}` };
  const secret = `The secret is ${client.secret}. `;
  const prompt = [`${shared}${secret}What is the secret?`, `${shared}What is the secret?`, `${secret}${shared}The secret is`, `${shared}The secret is `][random(4)];
  const kind = random(4);
  const options = { num_predict: 24, temperature: random(2) * 1.5 };
  const ask = (path, body) => fetch(`${server.url}${path}`, { method: 'POST', headers, body: JSON.stringify({ model: 'starter', stream: random(2) === 0, options, ...body }) });
  let answer;
  if (kind === 0) answer = await ask('/api/generate', { prompt, raw: true });
  if (kind === 1) answer = await ask('/api/chat', { messages: [{ role: 'user', content: prompt }] });
  if (kind === 2) answer = await ask('/api/generate', { prompt, format: { type: 'object', properties: { secret: { type: 'string', maxLength: 20 } }, required: ['secret'] } });
  if (kind === 3) {
    // One that leaves in the middle.
    const control = new AbortController();
    setTimeout(() => control.abort(), random(40));
    answer = await fetch(`${server.url}/api/generate`, { method: 'POST', headers, signal: control.signal, body: JSON.stringify({ model: 'starter', prompt, raw: true, options }) }).catch(() => null);
  }
  const text = answer ? await answer.text().catch(() => '') : '';
  ++client.n;
  for (const other of clients) {
    if (other !== client) assert.ok(!text.includes(other.secret) && !text.includes(other.secret.slice(0, 8)), `${client.key} saw the secret of ${other.key}`);
  }
}

test('no secret is ever seen by another', async () => {
  const end = performance.now() + minutes * 60000;
  for (let round = 0; round < 25 || performance.now() < end; ++round) await Promise.all(clients.map((client) => turn(client)));
  console.log(`${clients.reduce((sum, client) => sum + client.n, 0)} answers searched for ${clients.length} secrets`);
  for (const { secret } of clients) assert.ok(!server.log.includes(secret));
});

test('C09: what one key computed is not found, not even by its time, by another', async () => {
  const long = `${randomBytes(6).toString('hex')} ${'market report growth '.repeat(60)}`;
  const cached = async (key) => {
    const metric = async () => Number(/deepanalyze_tokens_total\{kind="cached"\} (\d+)/.exec(await (await fetch(`${server.url}/metrics`)).text())[1]);
    const before = await metric();
    const answer = await fetch(`${server.url}/api/generate`, {
      method: 'POST', headers: { Authorization: `Bearer ${key}` }, body: JSON.stringify({ model: 'starter', prompt: long, raw: true, stream: false, options: { num_predict: 1 } }),
    });
    assert.equal(answer.status, 200, await answer.text());
    return await metric() - before;
  };
  assert.equal(await cached('alice'), 0);
  assert.ok(await cached('alice') > 100);
  assert.equal(await cached('bob'), 0);
});
