// The product's main job over HTTP and on the command line, with the bundled model.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { cli, events, root, sleep, startServer, stories } from './server.mjs';

let server;
const sample = readFileSync(join(root, 'samples/nev-2024q2.txt'), 'utf8').trimEnd();
before(async () => { server = await startServer(); });
after(async () => { await server.stop(); });

const analyze = (body) => fetch(`${server.ui}/api/analyze`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
const stream = (id) => fetch(`${server.ui}/api/stream?task_id=${id}`);

async function report(body) {
  const { task_id: id } = await (await analyze(body)).json();
  const seen = [];
  for await (const event of events(await stream(id))) seen.push(event);
  return seen;
}

// Every quote is in the text at the offsets given.
function checkEvidence(text, result) {
  const points = [...text];
  const items = [...result.core_viewpoints, ...result.key_information, result.underlying_sentiment];
  for (const { evidence } of items) assert.equal(points.slice(evidence.start, evidence.end).join(''), evidence.quote);
  return items.length;
}

test('the sample: reading, writing as it grows, complete', async () => {
  const seen = await report({ text: sample, model: 'starter' });
  const kinds = seen.map((event) => event.status);
  assert.equal(kinds.at(-1), 'complete', JSON.stringify(seen.at(-1)));
  assert.ok(kinds.includes('writing') && kinds.indexOf('reading') < kinds.indexOf('writing'));
  const { result, report: markdown, stats } = seen.at(-1);
  assert.equal(result.language, 'zh');
  assert.ok(checkEvidence(sample, result) >= 3);
  assert.ok(['positive', 'negative', 'neutral', 'mixed'].includes(result.underlying_sentiment.polarity));
  for (const heading of ['核心观点', '关键信息', '潜在情感']) assert.ok(markdown.includes(heading));
  assert.ok(stats.time_to_first_token_ms < 1000 && stats.total_ms < 5000, JSON.stringify(stats));
  const partial = seen.filter((event) => event.status === 'writing');
  assert.ok(partial.length >= 2 && partial[0].report.length < markdown.length);
});

test('an English text gets an English report, with or without its last line end', async () => {
  const file = readFileSync(join(root, 'samples/earnings-en.txt'), 'utf8');
  for (const text of [file, file.trimEnd()]) {
    const { status, error, result, report: markdown } = (await report({ text, model: 'starter' })).at(-1);
    assert.equal(status, 'complete', error);
    assert.equal(result.language, 'en');
    checkEvidence(text, result);
    assert.ok(markdown.includes('Core viewpoints'));
    const quotes = result.key_information.map((item) => item.evidence.quote);
    assert.equal(new Set(quotes).size, quotes.length, 'no quote twice');
  }
});

test('quotes are verbatim whatever the text', async () => {
  for (const text of ['他说：“价格\\n涨了”，\n又说 "no\ttabs"。', '好', '！！！。。。', `${'一样的一行。\n'.repeat(20)}`, 'emoji 😀 和 e\u0301 组合字符', '<script>alert(1)</script> ![x](http://x/y) **粗**']) {
    const last = (await report({ text, model: 'starter' })).at(-1);
    assert.equal(last.status, 'complete', `${JSON.stringify(text)}: ${JSON.stringify(last)}`);
    checkEvidence(text, last.result);
  }
});

test('bad input is refused with its counts', async () => {
  const cases = [[{ text: '' }, /empty/], [{ text: ' \n\t ' }, /empty|white space/], [{}, /text/], [{ text: 'x', language: 'fr' }, /language/], [{ text: 'x', model: 'absent' }, /not found/]];
  for (const [body, message] of cases) {
    const answer = await analyze(body);
    assert.ok(answer.status >= 400 && answer.status < 500, `${JSON.stringify(body)} -> ${answer.status}`);
    assert.match((await answer.json()).error, message);
  }
  const raw = await fetch(`${server.ui}/api/analyze`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: Buffer.from('{"text":"ab\xff"}', 'latin1') });
  assert.equal(raw.status, 400);
  assert.match((await raw.json()).error, /UTF-8.*\d/);
  const long = (await report({ text: '很长的文本。'.repeat(2000), model: 'starter' })).at(-1);
  assert.equal(long.status, 'error');
  assert.match(long.error, /\d+.*\d+/);   // tokens needed and tokens there
});

test('cancel by DELETE and by leaving', async () => {
  const { task_id: id } = await (await analyze({ text: sample, model: 'starter' })).json();
  const answer = await stream(id);
  await fetch(`${server.ui}/api/analyze/${id}`, { method: 'DELETE' });
  let last;
  for await (const event of events(answer)) last = event;
  assert.ok(['cancelled', 'complete'].includes(last.status));
  const gone = await stream(id);
  assert.equal(gone.status, 404);
});

test('the page comes with a strict policy and calls nobody', async () => {
  const page = await fetch(`${server.ui}/`);
  const html = await page.text();
  assert.match(page.headers.get('content-type'), /text\/html/);
  const policy = page.headers.get('content-security-policy');
  assert.match(policy, /default-src 'none'/);
  assert.match(policy, /connect-src 'self'/);
  assert.doesNotMatch(html, /https?:\/\//);
});

test('command line: Markdown, JSON, stdin, file names, errors', async () => {
  const file = join(server.folder, '新能源 二季度.txt');
  writeFileSync(file, sample);
  const markdown = await cli(server, ['analyze', file, '--model', 'starter']);
  assert.equal(markdown.code, 0, markdown.stderr);
  assert.match(markdown.stdout, /核心观点/);
  const json = await cli(server, ['analyze', '-', '--model', 'starter', '--json', '-q'], { input: sample });
  checkEvidence(sample, JSON.parse(json.stdout));
  assert.equal(json.stderr, '');
  const errors = [
    [['analyze', join(server.folder, 'none.txt')], '', 1, /^Error: open .*none\.txt: No such file/],
    [['analyze', '-'], '', 1, /^Error: .*empty/],
    [['analyze', '-'], Buffer.from([0x61, 0xff]), 1, /^Error: .*not UTF-8 at byte 1/],
    [['analyze', file, '--language', 'fr'], '', 2, /^Error: /],
    [['analyze', server.folder], '', 1, /^Error: .*directory/],
    [['analyze'], '', 2, /^Error: FILE is required/],
    [['frobnicate'], '', 2, /^Error: /],
    [['analyze', file, '--model', '/nowhere/x.gguf'], '', 1, /^Error: /],
  ];
  for (const [args, input, code, message] of errors) {
    const outcome = await cli(server, args, { input });
    assert.equal(outcome.code, code, `${args}: ${outcome.stderr}`);
    assert.match(outcome.stderr, message);
    assert.equal(outcome.stderr.trimEnd().split('\n').length, 1, outcome.stderr);
  }
});

test('without a server, analyze brings its own', async () => {
  const outcome = await cli(server, ['analyze', join(root, 'samples/complaint-zh.txt'), '--model', 'starter'], { env: { OLLAMA_HOST: '' } });
  assert.equal(outcome.code, 0, outcome.stderr);
  assert.match(outcome.stdout, /潜在情感/);
});

test('run answers once to words and to piped text', async () => {
  const words = await cli(server, ['run', stories, '-p', 'num_predict=5', 'Once', 'upon']);
  assert.equal(words.code, 0, words.stderr);
  assert.ok(words.stdout.trim().length > 0);
  const piped = await cli(server, ['run', stories, '-p', 'num_predict=5'], { input: 'Once upon' });
  assert.equal(piped.code, 0, piped.stderr);
  const empty = await cli(server, ['run', stories], { input: '' });
  assert.equal(empty.code, 1);
});

test('list and ps as tables and JSON', async () => {
  const table = await cli(server, ['list']);
  assert.match(table.stdout, /^NAME +ID +SIZE +MODIFIED/);
  assert.match(table.stdout, /starter/);
  const json = JSON.parse((await cli(server, ['ps', '--json'])).stdout);
  assert.ok(Array.isArray(json.models));
});

test('nothing of the text is left on disk', async () => {
  const { execFileSync } = await import('node:child_process');
  const canary = '独一无二的标记甲乙丙丁7731';
  await report({ text: `${canary}，销量上升了。`, model: 'starter' });
  await sleep(100);
  let hits = '';
  try { hits = execFileSync('grep', ['-rlF', canary, server.folder], { encoding: 'utf8' }); } catch { /* none found */ }
  assert.equal(hits, '');
  assert.ok(!server.log.includes(canary));
});

test('a wrong command or flag is named, with status 2', async () => {
  for (const [args, message] of [[['analize', 'x'], /unknown command "analize"/], [['analyze', '--langage', 'x'], /--langage/]]) {
    const outcome = await cli(server, args);
    assert.equal(outcome.code, 2, outcome.stderr);
    assert.match(outcome.stderr, message);
    assert.equal(outcome.stderr.trim().split('\n').length, 1, 'one line');
  }
});
