// The real program with emulated GPUs (tests/cuda_emulation): server, sealed runner, plugin, kernels. It proves what the
// program does with GPUs, and nothing about their speed.
import assert from 'node:assert/strict';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { cli, golden, startServer, stories } from './server.mjs';

const plugin = process.env.EMULATED_PLUGIN;
assert.ok(plugin && existsSync(plugin), 'EMULATED_PLUGIN names the plugin on the emulated runtime');
const text = JSON.parse(readFileSync(join(golden, 'stories/stories260K.json'))).greedy.text;
const servers = [];

async function serve(environment) {
  const server = await startServer({ DEEPANALYZE_CUDA_PLUGIN: plugin, DEEPANALYZE_LOG_LEVEL: 'info', OLLAMA_NUM_PARALLEL: '2', ...environment });
  servers.push(server);
  const modelfile = join(server.folder, 'Modelfile');
  writeFileSync(modelfile, `FROM ${stories}\nPARAMETER temperature 0\nPARAMETER num_ctx 512\n`);
  const created = await cli(server, ['create', 'stories', '-f', modelfile]);
  assert.equal(created.code, 0, created.stderr);
  return server;
}
after(async () => { for (const server of servers) await server.stop(); });

const ask = (server, options = {}, prompt = '') => fetch(`${server.url}/api/generate`, {
  method: 'POST', body: JSON.stringify({ model: 'stories', prompt, raw: true, stream: false, options: { num_predict: 6, ...options } }),
});
const answer = async (server, options, prompt) => {
  const response = await ask(server, options, prompt);
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body) + server.log);
  return body.response;
};
const loaded = async (server) => (await (await fetch(`${server.url}/api/ps`)).json()).models[0];
const processor = async (server) => (await cli(server, ['ps'])).stdout;
const loads = (server) => (server.log.match(/loading model/g) ?? []).length;
const alone = text.slice(0, 40);
let expected, vram;   // bytes that all of the model takes on a GPU
const overhead = () => ({ OLLAMA_GPU_OVERHEAD: `${((400 - 256) << 20) - vram + 1}` });   // one byte less than that is free

test('all layers on one GPU: the text of the CPU, 100% GPU, a sealed runner', async () => {
  const cpu = await serve({ OLLAMA_NO_CUDA: '1' });
  expected = await answer(cpu, {}, alone);
  assert.ok(expected.length > 0);
  assert.match(await processor(cpu), /100% CPU/);
  assert.equal((await loaded(cpu)).size_vram, 0);
  assert.match(cpu.log, /OLLAMA_NO_CUDA is set/);

  const server = await serve({ DEEPANALYZE_EMULATED_GPUS: '1x400', DEEPANALYZE_REQUIRE_SANDBOX: '1' });
  assert.equal(await answer(server, {}, alone), expected);
  const model = await loaded(server);
  assert.equal(model.size_vram, model.size, JSON.stringify(model));
  vram = model.size_vram;
  assert.ok(vram > 16 << 20, 'bytes really taken: the weights and the work buffers');
  assert.match(await processor(server), /100% GPU/);
  assert.match(server.log, /5 of 5 layers on 1 GPU: GPU 0 \(Emulated GPU 1\): layers 0 to 4/);
  assert.doesNotMatch(server.log, /not fully sealed/);
});

test('a model cut between GPU and CPU says what went where and why not more', async () => {
  const server = await serve({ DEEPANALYZE_EMULATED_GPUS: '1x400', ...overhead() });
  assert.equal(await answer(server, {}, alone), expected);
  assert.match(server.log, /4 of 5 layers on 1 GPU: GPU 0 \(Emulated GPU 1\): layers 0 to 3.* CPU: layer 4.*no room for layer 4 \(\d+ MiB with those before, \d+ MiB free beside \d+ MiB kept\)/);
  const model = await loaded(server);
  const shown = (await processor(server)).match(/(\d+)%\/(\d+)% CPU\/GPU/);
  assert.ok(shown, await processor(server));
  const cpuShare = Math.round(((model.size - model.size_vram) / model.size) * 100);
  assert.deepEqual(shown.slice(1).map(Number), [cpuShare, 100 - cpuShare]);
});

test('two GPUs are filled in turn; CUDA_VISIBLE_DEVICES chooses by UUID', async () => {
  const both = await serve({ DEEPANALYZE_EMULATED_GPUS: '2x400', ...overhead() });
  assert.equal(await answer(both, {}, alone), expected);
  assert.match(both.log, /5 of 5 layers on 2 GPUs: GPU 0 \(Emulated GPU 1\): layers 0 to 3.*; GPU 1 \(Emulated GPU 2\): layer 4/);
  const second = await serve({ DEEPANALYZE_EMULATED_GPUS: '2x400', CUDA_VISIBLE_DEVICES: 'GPU-5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a02' });
  assert.equal(await answer(second, {}, alone), expected);
  assert.match(second.log, /5 of 5 layers on 1 GPU: GPU 0 \(Emulated GPU 2\)/);
});

test('num_gpu of a request loads the weights anew, and says so; the default comes from the settings', async () => {
  const server = await serve({ DEEPANALYZE_EMULATED_GPUS: '1x400', OLLAMA_GPU_LAYERS: '2' });
  assert.equal(await answer(server, {}, alone), expected);
  assert.match(server.log, /2 of 5 layers on 1 GPU.*no more were asked for/);
  assert.equal(loads(server), 1);
  assert.equal(await answer(server, { num_gpu: 0 }, alone), expected);
  assert.match(await processor(server), /100% CPU/);
  assert.match(server.log, /another number of layers on GPUs \(num_gpu\) is wanted/);
  assert.equal(loads(server), 2);
  assert.equal(await answer(server, {}, alone), expected);   // as it is
  assert.equal(loads(server), 2);
  assert.equal(await answer(server, { num_gpu: 99 }, alone), expected);
  assert.match(await processor(server), /100% GPU/);
  assert.equal(loads(server), 3);
});

for (const [fault, says] of [['kernel', /cudaErrorIllegalAddress/], ['lost', /cudaErrorDevicesUnavailable/], ['hang', /did not end within 1500 ms/]]) {
  test(`a GPU that fails (${fault}): the client gets an error, the runner ends and says why, the next request is served`, async () => {
    // The fault comes at a kernel that a short answer does not reach, in every new runner again.
    const server = await serve({ DEEPANALYZE_EMULATED_GPUS: '1x400', DEEPANALYZE_EMULATED_FAULT: `${fault}:2500`, DEEPANALYZE_GPU_DEADLINE_MS: '1500' });
    assert.equal(await answer(server, {}, alone), expected);
    const broken = await ask(server, { num_predict: 200 }, text.slice(0, 60));
    const body = await broken.json();
    assert.equal(broken.status, 500, JSON.stringify(body));
    assert.match(body.error, says);
    assert.equal(await answer(server, {}, alone), expected);
    assert.match(server.log, /a device has failed; the runner ends/);
    assert.match(server.log, /exit status 3/);
    assert.equal(loads(server), 2);
    assert.match(await processor(server), /100% GPU/, 'not quietly on the CPU');
  });
}

test('memory that is refused at load: once, a new plan; always, an error with the bytes', async () => {
  const once = await serve({ DEEPANALYZE_EMULATED_GPUS: '1x600', DEEPANALYZE_EMULATED_FAULT: 'allocation:30' });
  assert.equal(await answer(once, {}, alone), expected);
  assert.match(once.log, /the plan did not hold \(.*\d+ bytes needed, \d+ of \d+ are free\)/);
  const never = await serve({ DEEPANALYZE_EMULATED_GPUS: '1x1200', DEEPANALYZE_EMULATED_FAULT: 'exhausted:30' });
  const refused = await ask(never, {}, alone);
  assert.notEqual(refused.status, 200);
  assert.match((await refused.json()).error, /\d+ bytes (needed|of pinned host memory)/);
  assert.equal(await answer(never, { num_gpu: 0 }, alone), expected);
});

test('a GPU that cannot be opened is an error, unless none is asked for', async () => {
  const server = await serve({ DEEPANALYZE_EMULATED_GPUS: '1x400', DEEPANALYZE_EMULATED_FAULT: 'kernel:1' });
  const refused = await ask(server, {}, alone);
  assert.notEqual(refused.status, 200);
  assert.match((await refused.json()).error, /cudaErrorIllegalAddress/);
  assert.equal(await answer(server, { num_gpu: 0 }, alone), expected);
});

test('the runner has no file of the user open but the model, and no thread may open one', async () => {
  const server = servers[1];
  await answer(server, {}, alone);
  const children = readdirSync(`/proc/${server.child.pid}/task`)
    .flatMap((task) => readFileSync(`/proc/${server.child.pid}/task/${task}/children`, 'utf8').trim().split(' ')).filter(Boolean);
  assert.equal(children.length, 1);
  for (const thread of readdirSync(`/proc/${children[0]}/task`)) {
    const status = readFileSync(`/proc/${children[0]}/task/${thread}/status`, 'utf8');
    assert.match(status, /^Seccomp:\s+2$/m, `thread ${thread}`);
    assert.match(status, /^NoNewPrivs:\s+1$/m, `thread ${thread}`);
  }
});
