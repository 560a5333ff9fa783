// The real program with emulated GPUs (tests/cuda_emulation): server, sealed runner, plugin, kernels. It proves what the
// program does with GPUs, and nothing about their speed.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { alone, answer, ask, loaded, loads, note, overhead as overheadOf, processor, serve, servers, stopAll, text, unload } from './gpu-server.mjs';
import { cli, golden, sleep } from './server.mjs';

after(stopAll);
let expected, vram;   // bytes that all of the model takes on a GPU
const overhead = () => overheadOf(vram);

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

  // The same bytes in the metrics, by kind, and in the scheduler's books, from which the runner's end takes them at once.
  const gpu = 'GPU-5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a01';
  const metrics = async () => (await fetch(`${server.url}/metrics`)).text();
  const bytes = (all, series) => Number(all.split('\n').find((line) => line.startsWith(`${series} `))?.split(' ')[1]);
  const shown = await metrics();
  const kinds = ['weights', 'kv', 'buffers'].map((kind) => bytes(shown, `deepanalyze_model_memory_bytes{device="${gpu}",kind="${kind}",model="stories:latest"}`));
  assert.ok(kinds.every((n) => n > 0), kinds.join(' '));
  assert.equal(kinds.reduce((sum, n) => sum + n), vram);
  assert.equal(bytes(shown, `deepanalyze_device_memory_bytes{device="${gpu}",state="held"}`), vram);
  assert.ok(bytes(shown, `deepanalyze_device_memory_bytes{device="${gpu}",state="room"}`) > 300 << 20);
  await unload(server);
  let after;
  for (let i = 0; i < 100; ++i) {
    after = bytes(await metrics(), `deepanalyze_device_memory_bytes{device="${gpu}",state="held"}`);
    if (after === 0) break;
    await sleep(20);
  }
  assert.equal(after, 0);
  note('server on', 'one GPU', 'stories');
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
  note('server on', 'split GPU/CPU', 'stories');
});

test('two GPUs are filled in turn; CUDA_VISIBLE_DEVICES chooses by UUID', async () => {
  const both = await serve({ DEEPANALYZE_EMULATED_GPUS: '2x400', ...overhead() });
  assert.equal(await answer(both, {}, alone), expected);
  assert.match(both.log, /5 of 5 layers on 2 GPUs: GPU 0 \(Emulated GPU 1\): layers 0 to 3.*; GPU 1 \(Emulated GPU 2\): layer 4/);
  const second = await serve({ DEEPANALYZE_EMULATED_GPUS: '2x400', CUDA_VISIBLE_DEVICES: 'GPU-5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a02' });
  assert.equal(await answer(second, {}, alone), expected);
  assert.match(second.log, /5 of 5 layers on 1 GPU: GPU 0 \(Emulated GPU 2\)/);
  note('server on', 'two GPUs', 'stories');
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

for (const [fault, says, number] of [['kernel', /cudaErrorIllegalAddress/, 'U03'], ['lost', /cudaErrorDevicesUnavailable/, 'U04'], ['hang', /did not end within 1500 ms/, 'U07']]) {
  test(`a GPU that fails (${fault}): the client gets an error, the runner ends and says why, the next request is served`, async () => {
    // The fault comes at a kernel that a short answer does not reach, in every new runner again.
    const server = await serve({ DEEPANALYZE_EMULATED_GPUS: '1x400', DEEPANALYZE_EMULATED_FAULT: `${fault}:2500`, DEEPANALYZE_GPU_DEADLINE_MS: '1500' });
    assert.equal(await answer(server, {}, alone), expected);
    const broken = await ask(server, { num_predict: 200 }, text.slice(0, 60));
    const body = await broken.json();
    assert.equal(broken.status, 500, JSON.stringify(body));
    assert.match(body.error, says);
    assert.equal(body.retryable, true, 'its text had begun: it ends, and may be sent again');
    assert.equal(await answer(server, {}, alone), expected);
    assert.match(server.log, /a device has failed; the runner ends/);
    assert.match(server.log, /exit status 3/);
    assert.equal(loads(server), 2);
    assert.match(await processor(server), /100% GPU/, 'not quietly on the CPU');
    note('faults injected', number, `${fault} in an answer of the server`);
  });
}

test('a GPU that fails before the first text: the request is served by another runner, once', async () => {
  const server = await serve({ DEEPANALYZE_EMULATED_GPUS: '1x400', DEEPANALYZE_EMULATED_FAULT: 'kernel:2500' });
  // Answers of one token, until one meets the fault: nobody sees anything of it.
  let answers = 0;
  for (; loads(server) < 2; ++answers) {
    assert.ok(answers < 200, 'the fault comes');
    const response = await ask(server, { num_predict: 1 }, text.slice(answers % 20, 60));
    const body = await response.json();
    assert.equal(response.status, 200, JSON.stringify(body));
    assert.equal(body.eval_count, 1);
  }
  assert.ok(answers > 2);
  assert.equal((server.log.match(/a device has failed; the runner ends/g) ?? []).length, 1);
  assert.match(await (await fetch(`${server.url}/metrics`)).text(), /deepanalyze_runner_crashes_total 1/);

  // One that meets it in the second runner too ends with an error that says it may be sent again; the model rests.
  // What may become a stop string is held back, so that nothing is sent.
  const options = { num_predict: 80 };
  options.stop = [`${await answer(servers[0], options, alone)}.`];
  const before = loads(server);
  const failed = await ask(server, options, alone);
  const body = await failed.json();
  assert.equal(failed.status, 500, JSON.stringify(body));
  assert.match(body.error, /cudaErrorIllegalAddress/);
  assert.equal(body.retryable, true);
  assert.equal(loads(server), before + 1, 'tried again once');
  const resting = await ask(server, {}, alone);
  if (resting.status !== 200) {
    const why = await resting.json();
    assert.match(why.error, /times in a row; next try possible in \d+ s/);
    assert.equal(why.retryable, true);
  }
  note('faults injected', 'U03', 'before the first text, and in the second runner too');
});

// A golden model one of whose embedding rows is no number: it loads, and texts with that token have no logits.
for (const where of ['CPU', 'GPU']) {
  test(`results that are no numbers (${where}): an error, counted; after three the model is loaded anew`, async () => {
    const server = await serve(where === 'GPU' ? { DEEPANALYZE_EMULATED_GPUS: '1x400' } : { OLLAMA_NO_CUDA: '1' });
    const bytes = readFileSync(join(golden, 'models/llama.gguf'));
    const badToken = 456, width = 128;   // "q"
    bytes.writeFloatLE(NaN, bytes.length - 1411584 + (badToken * width + 5) * 4);   // the data begins with the embedding
    writeFileSync(join(server.folder, 'flipped.gguf'), bytes);
    writeFileSync(join(server.folder, 'Modelfile'), `FROM ${join(server.folder, 'flipped.gguf')}\nPARAMETER temperature 0\n`);
    assert.equal((await cli(server, ['create', 'stories', '-f', join(server.folder, 'Modelfile')])).code, 0);
    const sound = await answer(server, {}, 'The');
    for (let i = 0; i < 3; ++i) {
      assert.equal(loads(server), 1);
      const broken = await ask(server, {}, 'The q');
      const body = await broken.json();
      assert.equal(broken.status, 500, JSON.stringify(body));
      assert.match(body.error, /not finite/);
      assert.equal(body.retryable, undefined, 'the same text would have the same end');
      assert.equal(await answer(server, {}, 'The'), sound);
    }
    assert.equal(loads(server), 2);
    assert.match(server.log, /model drains.*3 requests ended because the model's results were no finite numbers/);
    assert.match(await (await fetch(`${server.url}/metrics`)).text(), /deepanalyze_not_finite_total 3/);
    note('faults injected', 'U08', `an embedding row without numbers, on the ${where}`);
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
  for (const how of ['once', 'always']) note('faults injected', 'U01', `memory refused at a load of the server, ${how}`);
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
