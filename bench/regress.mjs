// See bench/regress. node bench/regress.mjs BASELINE_PROGRAM COMMIT [--loss PERCENT] [--quick] [--try] [--rounds N] [--threads N]
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { Engine, median } from "./peers/engine.mjs";
import { nameOf } from "./peers/table.mjs";

const { values: options, positionals: [baseline, commit] } = parseArgs({ allowPositionals: true, options: {
  loss: { type: "string", default: "5" }, quick: { type: "boolean", default: false }, try: { type: "boolean", default: false },
  rounds: { type: "string", default: "5" }, threads: { type: "string", default: "0" },
  binary: { type: "string", default: "build/release/bin/deepanalyze" } } });
const shape = options.try ? "tiny" : "llama3.2-1b";
const types = options.quick ? ["Q4_K_M"] : ["Q4_K_M", "Q8_0", "Q4_0", "F16"];
const tests = [
  { test: "prompt", tokens: 512 }, { test: "generate", tokens: 48 }, { test: "generate", tokens: 32, streams: 8 },
  { test: "generate", tokens: 32, depth: 1024 } ];
const model = `build/bench-models/regress-${process.pid}.gguf`;
let engines = [];
process.on("exit", () => {
  for (const engine of engines) engine.kill();
  rmSync(model, { force: true });
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => process.exit(130));

mkdirSync("build/bench-models", { recursive: true });
const lost = [];
console.log(`ratios to ${commit.slice(0, 10)}, median (low to high)`);
for (const type of types) {
  execFileSync(options.binary, ["bench", "--synthetic", `${shape}:${type}`, "--keep", model, "--prompt", "0", "--gen", "0"]);
  execFileSync("sync", [model]);
  const args = ["bench", model, "--stdin", "--no-peaks", "--threads", options.threads, "--prompt", "512", "--depth", "1024", "--streams", "8"];
  engines = [new Engine(options.binary, args), new Engine(baseline, args)];
  for (const engine of engines) await engine.read();
  for (const what of tests) {
    const run = { depth: 0, streams: 1, ...what }, ratios = [];
    if (run.depth > 0) for (const engine of engines) await engine.run({ ...run, tokens: 2 });   // what lies before
    for (let i = 0; i < Number(options.rounds); i++) {
      const now = await engines[0].run(run), before = await engines[1].run(run);
      ratios.push(now / before);
    }
    const ratio = median(ratios), name = `${shape}:${type} ${nameOf(run)}`;
    const slower = ratio < 1 - Number(options.loss) / 100;
    console.log(`${name}: ${ratio.toFixed(3)} (${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)})${slower ? "  SLOWER" : ""}`);
    if (slower) lost.push(name);
  }
  for (const engine of engines) await engine.close();
  engines = [];
}
if (lost.length > 0) {
  console.error(`slower than ${commit.slice(0, 10)} by more than ${options.loss} %: ${lost.join("; ")}`);
  process.exit(1);
}
process.exit(0);
