// Open-loop load on a running server: requests arrive at random times at a given rate, whether or not earlier ones are
// answered, as users do. Prints throughput, time to first token and time between tokens at each rate.
//
//   node bench/serve.mjs --model NAME [--url http://127.0.0.1:11434] [--rates 1,2,4,8] [--seconds 20] [--prompt 200] [--gen 64] [--seed 1] [--json]
import { parseArgs } from 'node:util';

const { values: options } = parseArgs({
  options: {
    url: { type: 'string', default: 'http://127.0.0.1:11434' }, model: { type: 'string' }, rates: { type: 'string', default: '1,2,4,8' },
    seconds: { type: 'string', default: '20' }, prompt: { type: 'string', default: '200' }, gen: { type: 'string', default: '64' },
    seed: { type: 'string', default: '1' }, json: { type: 'boolean', default: false },
  },
});
if (!options.model) {
  console.error('bench/serve.mjs: --model is missing');
  process.exit(2);
}

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
const words = 'the of and to in report market price growth company year sales order month staff team plan cost risk value'.split(' ');

async function ask(random) {
  const begun = performance.now();
  const prompt = Array.from({ length: Number(options.prompt) }, () => words[Math.floor(random() * words.length)]).join(' ');
  const result = { ok: false, status: 0, first: NaN, gaps: [], tokens: 0 };
  try {
    const answer = await fetch(`${options.url}/api/generate`, {
      method: 'POST', body: JSON.stringify({ model: options.model, prompt, raw: true, options: { num_predict: Number(options.gen), seed: 1 } }),
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

async function run(rate, random) {
  const begun = performance.now(), end = begun + Number(options.seconds) * 1000, running = [];
  for (let at = begun; (at += -Math.log(1 - random()) * 1000 / rate) < end;) {
    await new Promise((resolve) => { setTimeout(resolve, Math.max(0, at - performance.now())); });
    running.push(ask(random));
  }
  const results = await Promise.all(running);
  const seconds = (performance.now() - begun) / 1000, good = results.filter((r) => r.ok);
  const first = sorted(good.map((r) => r.first)), gaps = sorted(good.flatMap((r) => r.gaps));
  return {
    rate, requests: results.length, answered: good.length, refused: results.filter((r) => r.status === 503).length,
    errors: [...new Set(results.map((r) => r.error).filter(Boolean))].slice(0, 3),
    tokens_per_second: good.reduce((sum, r) => sum + r.tokens, 0) / seconds,
    first_token_ms: { p50: quantile(first, 0.5), p99: quantile(first, 0.99) }, inter_token_ms: { p50: quantile(gaps, 0.5), p99: quantile(gaps, 0.99) },
  };
}

const random = generator(Number(options.seed));
const warm = await ask(random);   // the load is not measured
if (!warm.ok) {
  console.error(`bench/serve.mjs: ${warm.error}`);
  process.exit(1);
}
const rows = [];
if (!options.json) console.log('req/s  requests  answered  refused   tokens/s   first token p50 / p99 ms   between tokens p50 / p99 ms');
for (const rate of options.rates.split(',').map(Number)) {
  const row = await run(rate, random);
  rows.push(row);
  const ms = ({ p50, p99 }) => `${p50.toFixed(1)} / ${p99.toFixed(1)}`;
  if (!options.json) {
    if (row.errors.length > 0) console.log(`      ${row.errors.join('; ')}`);
    console.log(`${`${rate}`.padStart(5)} ${`${row.requests}`.padStart(9)} ${`${row.answered}`.padStart(9)} ${`${row.refused}`.padStart(8)} ${row.tokens_per_second.toFixed(0).padStart(10)}   ${ms(row.first_token_ms).padStart(24)}   ${ms(row.inter_token_ms).padStart(26)}`);
  }
}
if (options.json) console.log(JSON.stringify(rows, null, 2));
