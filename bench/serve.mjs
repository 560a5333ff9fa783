// Serving, measured through the HTTP API as users see it:
//
// 1. streams: n requests that write side by side, by turns (1, 8, 1, 8 …): tokens a second, prompts included, against
//    one stream's, and how much of the engine's time is not the model's (its loop: planning, sampling, reporting);
// 2. rates: requests at random times at a given rate, whether or not earlier ones are answered, as users do: throughput,
//    time to first token, time between tokens.
//
//   bench/serve [--model llama3.2-1b:Q4_K_M] [--streams 1,8] [--rounds 3] [--rates 0.25,0.5,1,2] [--seconds 40]
//               [--prompt 128] [--gen 48] [--seed 1] [--json]
//   bench/serve --url http://127.0.0.1:11434 --model NAME …      a server that runs already
//
// Without --url it starts a server of its own. A model SHAPE:TYPE is written first (`deepanalyze bench --synthetic`).
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { binary, startServer } from '../tests/e2e/server.mjs';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string' }, model: { type: 'string', default: 'llama3.2-1b:Q4_K_M' }, streams: { type: 'string', default: '1,8' },
    rounds: { type: 'string', default: '3' }, rates: { type: 'string', default: '0.25,0.5,1,2' }, seconds: { type: 'string', default: '40' },
    prompt: { type: 'string', default: '128' }, gen: { type: 'string', default: '48' }, seed: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const numbers = (list) => list.split(',').filter(Boolean).map(Number);

// A small generator of its own, so that a run can be repeated (mulberry32).
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const random = generator(Number(options.seed));
const words = 'the of and to in report market price growth company year sales order month staff team plan cost risk value'.split(' ');
const text = (n) => Array.from({ length: n }, () => words[Math.floor(random() * words.length)]).join(' ');

// The server and the name of the model there.
async function open() {
  if (options.url) return { url: options.url, model: options.model, close: async () => {} };
  const folder = mkdtempSync(join(tmpdir(), 'deepanalyze-serve-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  let model = options.model;
  if (existsSync(model)) {
    model = resolve(model);
  } else if (model.includes(':')) {
    const file = join(folder, 'model.gguf');
    execFileSync(binary, ['bench', '--synthetic', model, '--prompt', '0', '--gen', '0', '--no-peaks', '--keep', file], { stdio: ['ignore', 'ignore', 'inherit'] });
    model = file;
  }
  const server = await startServer({ DEEPANALYZE_LOG_LEVEL: 'warn' });
  process.on('exit', () => server.child.kill());
  return { url: server.url, model, close: () => server.stop() };
}
const server = await open();

async function ask(prompt, n_predict) {
  const begun = performance.now(), result = { ok: false, status: 0, first: NaN, gaps: [], tokens: 0 };
  try {
    const answer = await fetch(`${server.url}/api/generate`, {
      method: 'POST', body: JSON.stringify({ model: server.model, prompt, raw: true, options: { num_predict: n_predict, seed: 1, temperature: 0.8 } }),
    });
    result.status = answer.status;
    if (!answer.ok) {
      result.error = JSON.parse(await answer.text()).error;
      return result;
    }
    const decoder = new TextDecoder();
    let buffer = '', last = 0;
    for await (const chunk of answer.body) {
      const now = performance.now();
      buffer += decoder.decode(chunk, { stream: true });
      for (let end; (end = buffer.indexOf('\n')) >= 0;) {
        const line = JSON.parse(buffer.slice(0, end));
        buffer = buffer.slice(end + 1);
        if (line.error) return { ...result, error: line.error };
        if (line.done) {
          result.tokens = line.eval_count ?? 0;
          result.ok = true;
        } else if (last === 0) {
          result.first = now - begun;
        } else {
          result.gaps.push(now - last);
        }
        last = now;
      }
    }
  } catch (error) {
    result.error = error.message;
  }
  return result;
}

const quantile = (sorted, q) => (sorted.length === 0 ? NaN : sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]);
const sorted = (list) => list.filter((x) => !Number.isNaN(x)).sort((a, b) => a - b);
const spread = (list) => ({ median: quantile(sorted(list), 0.5), low: Math.min(...list), high: Math.max(...list) });
const times = (list) => ({ p50: quantile(sorted(list), 0.5), p99: quantile(sorted(list), 0.99) });
const sum = (list) => list.reduce((a, b) => a + b, 0);
function whole(results) {
  const bad = results.find((result) => !result.ok);
  if (bad) throw new Error(`${bad.status} ${bad.error}`);
  return results;
}

// Seconds and steps of all engines of the server.
async function engine() {
  const lines = (await (await fetch(`${server.url}/metrics`)).text()).split('\n');
  const total = (start, and = '') => sum(lines.filter((line) => line.startsWith(start) && line.includes(and)).map((line) => Number(line.slice(line.lastIndexOf(' ') + 1))));
  return { steps: total('deepanalyze_model_steps_total{'), all: total('deepanalyze_model_step_seconds_total{', 'part="all"'), model: total('deepanalyze_model_step_seconds_total{', 'part="model"') };
}

async function measureStreams() {
  const counts = numbers(options.streams), runs = new Map(counts.map((n) => [n, []]));
  for (let round = 0; round < Number(options.rounds); ++round) {
    for (const n of counts) {
      const before = await engine(), begun = performance.now();
      const results = whole(await Promise.all(Array.from({ length: n }, () => ask(text(16), 128))));
      const seconds = (performance.now() - begun) / 1000, after = await engine(), steps = after.steps - before.steps;
      const all = after.all - before.all, own = all - (after.model - before.model);
      runs.get(n).push({ speed: sum(results.map((result) => result.tokens)) / seconds, share: own / all, step_ms: 1000 * all / steps, gaps: results.flatMap((result) => result.gaps) });
    }
  }
  return counts.map((n) => {
    const mine = runs.get(n), one = runs.get(1);
    return {
      streams: n, tokens_per_second: spread(mine.map((run) => run.speed)), over_one: one ? spread(mine.map((run, i) => run.speed / one[i].speed)) : null,
      step_ms: spread(mine.map((run) => run.step_ms)), loop_share: spread(mine.map((run) => run.share)), inter_token_ms: times(mine.flatMap((run) => run.gaps)),
    };
  });
}

async function measureRate(rate) {
  const begun = performance.now(), end = begun + Number(options.seconds) * 1000, running = [];
  for (let at = begun; (at += -Math.log(1 - random()) * 1000 / rate) < end;) {
    await new Promise((done) => { setTimeout(done, Math.max(0, at - performance.now())); });
    running.push(ask(text(Number(options.prompt)), Number(options.gen)));
  }
  const results = await Promise.all(running);
  const seconds = (performance.now() - begun) / 1000, good = results.filter((r) => r.ok);
  return {
    rate, requests: results.length, answered: good.length, refused: results.filter((r) => r.status === 503).length,
    errors: [...new Set(results.filter((r) => r.status !== 503).map((r) => r.error).filter(Boolean))].slice(0, 3),
    tokens_per_second: sum(good.map((r) => r.tokens)) / seconds, first_token_ms: times(good.map((r) => r.first)), inter_token_ms: times(good.flatMap((r) => r.gaps)),
  };
}

const show = (text) => { if (!options.json) console.log(text); };
const report = { model: options.model, prompt_words: Number(options.prompt), gen_tokens: Number(options.gen), streams: [], rates: [] };
let failed = false;
try {
  whole([await ask('warm', 2)]);   // the load is not measured
  if (options.streams !== '') {
    show('| streams | tokens/s (low to high) | x 1 stream | step, ms | the loop\'s share of it | between tokens p50 / p99, ms |\n| --- | --- | --- | --- | --- | --- |');
    report.streams = await measureStreams();
    for (const row of report.streams) {
      const range = (one, digits, scale = 1) => `${(one.median * scale).toFixed(digits)} (${(one.low * scale).toFixed(digits)} to ${(one.high * scale).toFixed(digits)})`;
      show(`| ${row.streams} | ${range(row.tokens_per_second, 1)} | ${row.over_one ? range(row.over_one, 2) : ''} | ${row.step_ms.median.toFixed(1)} | ${range(row.loop_share, 2, 100)} % | ${row.inter_token_ms.p50.toFixed(1)} / ${row.inter_token_ms.p99.toFixed(1)} |`);
    }
    show('');
  }
  if (options.rates !== '') show('| requests/s | requests | answered | refused | tokens/s | first token p50 / p99, ms | between tokens p50 / p99, ms |\n| --- | --- | --- | --- | --- | --- | --- |');
  for (const rate of numbers(options.rates)) {
    const row = await measureRate(rate), ms = ({ p50, p99 }) => `${p50.toFixed(0)} / ${p99.toFixed(0)}`;
    report.rates.push(row);
    failed ||= row.errors.length > 0;
    show(`| ${rate} | ${row.requests} | ${row.answered} | ${row.refused} | ${row.tokens_per_second.toFixed(1)} | ${ms(row.first_token_ms)} | ${ms(row.inter_token_ms)} |${row.errors.map((error) => ` ${error}`).join(';')}`);
  }
  if (options.json) console.log(JSON.stringify(report, null, 2));
} catch (error) {
  console.error(`bench/serve: ${error.message}`);
  failed = true;
}
await server.close();
process.exit(failed ? 1 : 0);
