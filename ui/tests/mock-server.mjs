// A stand-in for `deepanalyze serve`: the built page under the real headers, and the analysis API with made-up reports.
// Usage: node tests/mock-server.mjs [--port N] [--pace MS]. Test code only: nothing here is shipped.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { growingResults, makeMarkdown, makeResult } from './mock-report.mjs';

const { values: options } = parseArgs({
  options: { port: { type: 'string', default: '4173' }, pace: { type: 'string', default: '30' } },
});
const paceMs = Number(options.pace);

const kHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self'; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-DNS-Prefetch-Control': 'off',
  'Permissions-Policy': 'camera=(), clipboard-read=(), clipboard-write=(), geolocation=(), microphone=(), usb=()',
  'Cache-Control': 'no-store',
};

const kFiles = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/index.html': ['index.html', 'text/html; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript; charset=utf-8'],
  '/app.css': ['app.css', 'text/css; charset=utf-8'],
  '/favicon.svg': ['favicon.svg', 'image/svg+xml'],
};

const kMaxBodyBytes = 32 * 1024 * 1024;
const kSeenModel = 'deepanalyze/mock:tiny';
/** task id → { text, language, model, cancelled, streaming } */
const tasks = new Map();
let nextTask = 1;

function sendJson(response, status, body) {
  response.writeHead(status, { ...kHeaders, 'Content-Type': 'application/json' });
  response.end(JSON.stringify(body));
}

async function readBody(request) {
  const chunks = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > kMaxBodyBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function analyze(request, response) {
  const body = await readBody(request);
  if (body === null) return sendJson(response, 413, { error: `the body is larger than ${kMaxBodyBytes} bytes` });
  let parsed;
  try {
    parsed = JSON.parse(body);
  } catch (error) {
    return sendJson(response, 400, { error: `the body is not JSON: ${error.message}` });
  }
  const { text, language = 'auto', model = kSeenModel } = parsed;
  if (typeof text !== 'string' || text.trim() === '') return sendJson(response, 400, { error: 'text: expected a text that is not blank' });
  if (!['auto', 'zh', 'en'].includes(language)) return sendJson(response, 400, { error: `language: unknown "${language}"` });
  const id = `mock-${nextTask++}`;
  tasks.set(id, { text, language, model, cancelled: false, streaming: false });
  sendJson(response, 200, { task_id: id });
}

async function stream(id, response) {
  const task = tasks.get(id);
  if (!task || task.streaming) return sendJson(response, 404, { error: `no task "${id}"` });
  task.streaming = true;
  response.on('close', () => (task.cancelled = true));
  response.writeHead(200, { ...kHeaders, 'Content-Type': 'text/event-stream' });
  for await (const event of eventsOf(task)) {
    if (response.destroyed) break;
    const message = task.cancelled ? { status: 'cancelled' } : event;
    response.write(`data: ${JSON.stringify(message)}\n\n`);
    if (message.status === 'cancelled') break;
  }
  tasks.delete(id);
  response.end();
}

async function* eventsOf(task) {
  const started = performance.now();
  const gibibyte = 2 ** 30;
  yield { status: 'queued', position: 1 };
  await sleep(paceMs * 4);
  for (let step = 0; step <= 4; step++) {
    yield { status: 'loading', model: task.model, bytes_done: (step / 4) * 3.2 * gibibyte, bytes_total: 3.2 * gibibyte };
    await sleep(paceMs * 2);
  }
  const promptTokens = Math.ceil([...task.text].length * 0.8);
  for (let step = 0; step <= 6; step++) {
    yield { status: 'reading', tokens_done: Math.round((promptTokens * step) / 6), tokens_total: promptTokens };
    await sleep(paceMs * 2);
  }
  const firstToken = performance.now();
  const result = makeResult(task.text, task.language);
  let generated = 0;
  for (const partial of growingResults(result)) {
    await sleep(paceMs);
    generated += 7;
    yield { status: 'writing', report: makeMarkdown(partial), result: partial, ...speedOf(started, firstToken, generated) };
  }
  const stats = {
    model: task.model,
    prompt_tokens: promptTokens,
    ...speedOf(started, firstToken, generated),
    total_ms: performance.now() - started,
  };
  yield { status: 'complete', report: makeMarkdown(result), result, stats };
}

function speedOf(started, firstToken, generated) {
  return {
    generated_tokens: generated,
    tokens_per_second: (generated * 1000) / Math.max(1, performance.now() - firstToken),
    time_to_first_token_ms: firstToken - started,
  };
}

function cancel(id, response) {
  const task = tasks.get(id);
  if (!task) return sendJson(response, 404, { error: `no task "${id}"` });
  task.cancelled = true;
  sendJson(response, 200, {});
}

async function sendFile(path, response) {
  const file = kFiles[path];
  if (!file) return sendJson(response, 404, { error: `no page at ${path}` });
  const content = await readFile(new URL(`../dist/${file[0]}`, import.meta.url));
  response.writeHead(200, { ...kHeaders, 'Content-Type': file[1] });
  response.end(content);
}

async function handle(request, response) {
  const url = new URL(request.url, 'http://localhost');
  const route = `${request.method} ${url.pathname}`;
  if (route === 'GET /api/version') return sendJson(response, 200, { version: '0.0.0-mock' });
  if (route === 'GET /api/tags') return sendJson(response, 200, { models: [{ name: kSeenModel }, { name: 'another:4b' }] });
  if (route === 'POST /api/analyze') return analyze(request, response);
  if (route === 'GET /api/stream') return stream(url.searchParams.get('task_id'), response);
  if (route.startsWith('DELETE /api/analyze/')) return cancel(decodeURIComponent(url.pathname.split('/').at(-1)), response);
  if (request.method === 'GET') return sendFile(url.pathname, response);
  return sendJson(response, 405, { error: `no ${route}` });
}

const server = createServer((request, response) => {
  handle(request, response).catch((error) => {
    if (!response.headersSent) sendJson(response, 500, { error: String(error) });
    else response.destroy();
  });
});
server.listen(Number(options.port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/`);
});
