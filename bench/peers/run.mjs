// node bench/peers/run.mjs [--quick | --try] [--only TEXT] [--rounds N] [--threads N] [--json FILE]: the table of ratios. Both engines hold the same
// file and take turns, A B A B, one run each; a row's ratio is the median over the rounds, with the lowest and highest.
// Synthetic models lie in memory (/dev/shm) where there is room for file and two packed copies, else under build/, and are removed.
import { execFileSync } from "node:child_process";
import { cpus } from "node:os";
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Engine, median } from "./engine.mjs";
import { kLoad, kShare, kSpeculation, models, nameOf } from "./table.mjs";

const { values: options } = parseArgs({ options: {
  quick: { type: "boolean", default: false }, try: { type: "boolean", default: false }, only: { type: "string", default: "" }, json: { type: "string" },
  threads: { type: "string", default: "" }, rounds: { type: "string", default: "" },
  binary: { type: "string", default: "build/release/bin/deepanalyze" } } });
const here = dirname(fileURLToPath(import.meta.url));
const threads = Number(options.threads) || Number(execFileSync("nproc").toString());
const rows = [], peaks = { read: 0, int8: 0 };
let system = "", engines = [], modelPath = "";
const note = (text) => process.stderr.write(`[${((performance.now()) / 1e3).toFixed(0)} s] ${text}\n`);

function cleanUp() {
  for (const engine of engines) engine.kill();
  if (modelPath) rmSync(modelPath, { force: true });
}
process.on("exit", cleanUp);
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));

function freeMemory() {
  return Number(/MemAvailable:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))[1]) * 1024;
}
function writeModel(spec) {
  const inMemory = existsSync("/dev/shm") && freeMemory() > 20e9 && statfsSync("/dev/shm").bavail * statfsSync("/dev/shm").bsize > 10e9;
  const folder = inMemory ? "/dev/shm" : "build/bench-models";
  mkdirSync(folder, { recursive: true });
  modelPath = join(folder, `deepanalyze-bench-${process.pid}.gguf`);
  execFileSync(options.binary, ["bench", "--synthetic", spec, "--keep", modelPath, "--prompt", "0", "--gen", "0"]);
  if (!inMemory) execFileSync("sync", [modelPath]);
}

async function startOurs({ context = 1024, streams = 1, loads = 1 }) {
  const ours = new Engine(options.binary, ["bench", modelPath, "--stdin", "--threads", String(threads), "--prompt", String(Math.min(512, context)),
    "--depth", String(Math.max(0, context - 512)), "--streams", String(streams), "--loads", String(loads)]);
  engines = [...engines, ours];
  return [ours, await ours.read()];
}
async function stop(engine) {
  await engine.close();
  engines = engines.filter((one) => one !== engine);
}

function addRow(model, name, ours, theirs, ratios, { floor, aim } = {}, lowerIsBetter = false) {
  const ratio = median(ratios);
  const verdict = floor === undefined ? "" : (lowerIsBetter ? ratio <= aim : ratio >= aim) ? "aim" : (lowerIsBetter ? ratio <= floor : ratio >= floor) ? "floor" : "MISSED";
  rows.push({ model, name, ours, theirs, ratio, low: Math.min(...ratios), high: Math.max(...ratios), floor, aim, verdict });
  note(`${model} ${name}: ${ratio.toFixed(2)} ${verdict}`);
}

async function measureTest(what, entry, ours, peer, report) {
  const rounds = Number(options.rounds) || entry.rounds || (options.quick ? 2 : what.depth ? 3 : 5);
  const a = [], b = [], reads = [];
  const run = { test: what.test, tokens: what.tokens, depth: what.depth ?? 0, streams: what.streams ?? 1 };
  const alone = what.over !== undefined;   // against one stream of our own
  if (run.depth > 0) {   // what lies before is computed once
    note(`${entry.model}: filling ${run.depth} tokens`);
    await ours.run({ ...run, tokens: 2 });
    await peer.run({ ...run, tokens: 2 });
  }
  for (let i = 0; i < rounds; i++) {
    a.push(await ours.run(run));
    if (what.share) reads.push((await ours.ask({ test: "read" })).bytes_per_s);   // memory's speed changes from minute to minute
    b.push(alone ? await ours.run({ ...run, streams: 1 }) : await peer.run(run));
  }
  if (what.share) {
    const bytes = report.work.step_bytes + report.work.kv_bytes_per_token * (what.tokens / 2);
    addRow(entry.model, `${nameOf(what)}, × llama.cpp`, median(a), median(b), a.map((rate, i) => rate / b[i]));
    addRow(entry.model, `${nameOf(what)}, share of read bandwidth`, median(a), median(reads) / bytes, a.map((rate, i) => rate * bytes / reads[i]), kShare);
  } else {
    addRow(entry.model, alone ? `${nameOf(what)}, × 1 stream` : `${nameOf(what)}, × llama.cpp`, median(a), median(b), a.map((rate, i) => rate / b[i]), what);
  }
}

async function measureModel(entry) {
  note(`${entry.model}: writing`);
  writeModel(entry.model);
  const [ours, report] = await startOurs(entry);
  peaks.read = Math.max(peaks.read, report.peaks.read_gb_per_s);
  peaks.int8 = Math.max(peaks.int8, report.peaks.int8_tops);
  const peer = new Engine(process.execPath, [join(here, "llama.mjs"), modelPath,
    JSON.stringify({ threads, context: entry.context ?? 1024, streams: 1, vocabulary: report.vocabulary })]);
  engines.push(peer);
  const peerReport = await peer.read();
  system = peerReport.system;
  for (const what of entry.tests) await measureTest(what, entry, ours, peer, report);
  await stop(ours);
  await stop(peer);
  rmSync(modelPath);
  modelPath = "";
  if (entry.loads)
    addRow(entry.model, "load, × reading the file", report.load.seconds, report.load.read_seconds, report.load.over_read, kLoad, true);
}

function print() {
  const commit = execFileSync("git", ["describe", "--always", "--dirty"]).toString().trim();
  const llama = JSON.parse(readFileSync(join(here, "node_modules/node-llama-cpp/package.json"), "utf8")).version;
  console.log(`${cpus()[0].model}, ${threads} threads; commit ${commit}; node-llama-cpp ${llama} (${system.replace(/ = 1 \|?/g, "").replace(/ \|/g, "").trim()}); ` +
    `measured: read ${peaks.read.toFixed(1)} GB/s, int8 ${peaks.int8.toFixed(2)} TOPS; ${new Date().toISOString().slice(0, 16)}\n`);
  console.log("| model | test | ours | other | ratio (low to high) | floor · aim | |\n| --- | --- | --- | --- | --- | --- | --- |");
  const two = (value) => value === undefined ? "" : value.toFixed(value < 1 ? 3 : 2);
  for (const r of rows) {
    const figure = (value) => value === undefined ? "" : value.toPrecision(3);
    console.log(`| ${r.model} | ${r.name} | ${figure(r.ours)} | ${figure(r.theirs)} | **${two(r.ratio)}** (${two(r.low)} to ${two(r.high)}) | ${r.floor === undefined ? "" : `${two(r.floor)} · ${two(r.aim)}`} | ${r.verdict} |`);
  }
  if (options.json) writeFileSync(options.json, JSON.stringify({ commit, threads, peaks, llama, system, rows }, null, 2) + "\n");
}

// Our own two ways, by turns in one process; llama.cpp has no such thing here.
function measureSpeculation() {
  const documents = ["nev-2024q2.txt", "earnings-en.txt", "complaint-zh.txt", "interview-zh.txt"].map((name) => `samples/${name}`);
  const text = execFileSync(options.binary, ["bench", "starter", "--analysis", documents.join(","), "--repeat", options.quick ? "5" : "15", "--threads", String(threads), "--json"]);
  const all = JSON.parse(text).analysis, sum = (list) => list.reduce((a, b) => a + b, 0);
  const tokens = sum(all.map((one) => one.tokens));
  const plain = sum(all.map((one) => median(one.plain_seconds))), guessing = sum(all.map((one) => median(one.speculative_seconds)));
  addRow("starter", "analysis of samples/, guesses × plain", tokens / guessing, tokens / plain, [plain / guessing], kSpeculation);
  const row = rows.at(-1), ratios = all.map((one) => one.ratio);
  row.low = Math.min(...ratios);
  row.high = Math.max(...ratios);
}

if ("starter".includes(options.only)) measureSpeculation();
for (const entry of models(options.quick, options.try)) if (entry.model.includes(options.only)) await measureModel(entry);
print();
process.exit(0);
