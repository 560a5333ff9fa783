// llama.cpp as a child process: the first line out tells how it was loaded, then one line a test, as `deepanalyze bench
// --stdin` does. It is driven below its JavaScript interface, batch by batch, and is never asked to sample: what it is
// given here is its best.
import { createInterface } from "node:readline";
import { getLlama } from "node-llama-cpp";

const [modelPath, settingsText] = process.argv.slice(2);
const settings = JSON.parse(settingsText);   // threads, context (tokens a stream), streams, vocabulary
const say = (object) => process.stdout.write(JSON.stringify(object) + "\n");
const seconds = (begin) => (performance.now() - begin) / 1e3;

const kBatch = 512;
const llama = await getLlama({ gpu: false, build: "never", progressLogs: false, logLevel: "error", maxThreads: settings.threads });
const begin = performance.now();
const model = await llama.loadModel({ modelPath, gpuLayers: 0 });
const context = await model.createContext({ contextSize: settings.context, batchSize: kBatch, sequences: settings.streams,
                                            threads: { ideal: settings.threads, min: settings.threads }, ignoreMemorySafetyChecks: true });
const raw = context._ctx;
const loadSeconds = seconds(begin);

// The tokens that `deepanalyze bench` takes (cli/bench/measure.cc).
function randomTokens(seed, n) {
  const tokens = new Uint32Array(n);
  for (let i = 0; i < n; i++) {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    tokens[i] = (seed >>> 8) % settings.vocabulary;
  }
  return tokens;
}
const kFreshSeeds = 100000;
let nPrompts = 0;

// Tokens of a sequence from `position` on, in batches; logits of the last only.
async function compute(sequence, position, tokens) {
  for (let first = 0; first < tokens.length; first += kBatch) {
    const piece = tokens.subarray(first, first + kBatch);
    const last = first + piece.length === tokens.length;
    raw.initBatch(piece.length);
    raw.addToBatch(sequence, position + first, piece, Uint32Array.from(last ? [piece.length - 1] : []));
    await raw.decodeBatch();
  }
}

// The first `depth` tokens of a stream, computed once.
const filled = [];
async function fill(sequence, depth) {
  const have = filled[sequence] ?? 0;
  if (have < depth) await compute(sequence, have, randomTokens(sequence + 1, depth).subarray(have));
  if (have !== depth) raw.removeTokenCellsFromSequence(sequence, depth, -1);
  filled[sequence] = depth;
}

async function runPrompt({ tokens, depth }) {
  await fill(0, depth);
  const prompt = randomTokens(kFreshSeeds + ++nPrompts, tokens);
  const start = performance.now();
  await compute(0, depth, prompt);
  const time = seconds(start);
  raw.removeTokenCellsFromSequence(0, depth, -1);
  return { seconds: time, tokens };
}

async function runGenerate({ tokens, depth, streams }) {
  for (let s = 0; s < streams; s++) await fill(s, depth);
  const next = [];
  for (let s = 0; s < streams; s++) next.push(randomTokens(777 + s, tokens));
  const steps = tokens - 1;
  const start = performance.now();
  for (let i = 0; i < steps; i++) {
    raw.initBatch(streams);
    for (let s = 0; s < streams; s++) raw.addToBatch(s, depth + i, next[s].subarray(i, i + 1), Uint32Array.from([0]));
    await raw.decodeBatch();
  }
  const time = seconds(start);
  for (let s = 0; s < streams; s++) raw.removeTokenCellsFromSequence(s, depth, -1);
  return { seconds: time, tokens: steps * streams };
}

await compute(0, 0, randomTokens(0, 33));   // awake
raw.removeTokenCellsFromSequence(0, 0, -1);
say({ load_seconds: loadSeconds, context: raw.getContextSize(), threads: raw.getThreads(), system: llama.systemInfo.trim() });
for await (const line of createInterface({ input: process.stdin })) {
  const what = { depth: 0, streams: 1, ...JSON.parse(line) };
  say(await (what.test === "prompt" ? runPrompt(what) : runGenerate(what)));
}
process.exit(0);
