// U04: a GPU is lost under a real server, and is there again. What the driver shows is in a file that the emulated runtime
// reads when a process first asks, so that it changes while the server runs.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { alone, answer, ask, loaded, loads, note, overhead, processor, serve, servers, stopAll, text, unload } from './gpu-server.mjs';
import { sleep } from './server.mjs';

const folder = mkdtempSync(join(tmpdir(), 'deepanalyze-gpus-'));
after(async () => { await stopAll(); rmSync(folder, { recursive: true, force: true }); });

const uuid = (number) => `GPU-5a5a5a5a-5a5a-5a5a-5a5a-5a5a5a5a5a0${number}`;
let files = 0;
// GPUs as they are now; a sealed runner may read them because it may read libraries.
function machine(gpus) {
  const file = join(folder, `gpus-${++files}`);
  const set = (now) => writeFileSync(file, now);
  set(gpus);
  return { set, environment: { DEEPANALYZE_EMULATED_GPUS: `@${file}`, LD_LIBRARY_PATH: folder, DEEPANALYZE_REQUIRE_SANDBOX: '1' } };
}
const health = async (server) => (await fetch(`${server.url}/health`)).json();
const ready = async (server) => (await fetch(`${server.url}/ready`)).status;
const metric = async (server, series) => Number((await (await fetch(`${server.url}/metrics`)).text()).split('\n').find((line) => line.startsWith(`${series} `))?.split(' ')[1]);
async function eventually(what, holds) {
  for (let i = 0; i < 300; ++i) {
    if (await holds()) return;
    await sleep(50);
  }
  assert.fail(what);
}
let expected, vram;

test('a GPU lost in the middle of an answer: degraded, by name and reason; found again, all is well', async () => {
  const { set, environment } = machine('1x400');
  const server = await serve({ ...environment, DEEPANALYZE_EMULATED_FAULT: 'lost:2500' });
  assert.deepEqual(await health(server), { status: 'ok' });
  expected = await answer(server, {}, alone);
  vram = (await loaded(server)).size_vram;
  assert.deepEqual(await health(server), { status: 'ok', gpus: [{ uuid: uuid(1), name: 'Emulated GPU 1', state: 'ok' }] });
  assert.equal(await metric(server, `deepanalyze_device_up{device="${uuid(1)}"}`), 1);

  set('1x400 broken:0');   // and it stays so
  const broken = await ask(server, { num_predict: 200 }, text.slice(0, 60));
  assert.equal(broken.status, 500);
  assert.equal((await broken.json()).retryable, true);
  const now = await health(server);
  assert.equal(now.status, 'degraded');
  assert.match(now.reason, /^Emulated GPU 1 \(GPU-5a5a.*01\): .*cudaErrorDevicesUnavailable/);
  assert.equal(now.gpus[0].state, 'lost');
  assert.ok(Math.abs(Date.parse(now.gpus[0].since) - Date.now()) < 60_000, now.gpus[0].since);
  assert.equal(await metric(server, `deepanalyze_device_up{device="${uuid(1)}"}`), 0);
  assert.equal(await metric(server, 'deepanalyze_degraded'), 1);
  assert.match(server.log, /GPU lost.*Emulated GPU 1.*cudaErrorDevicesUnavailable/);

  // No GPU is left: nothing moves to the CPU unasked.
  const refused = await ask(server, {}, alone);
  assert.equal(refused.status, 503, server.log);
  const body = await refused.json();
  assert.match(body.error, /^degraded: Emulated GPU 1 \(GPU-5a5a.*01\): .*cudaErrorDevicesUnavailable.*; gpu_loss=cpu or num_gpu 0 would use the CPU/);
  assert.equal(body.retryable, true);
  assert.ok(refused.headers.get('retry-after'));
  assert.equal(await ready(server), 503);
  assert.equal(await answer(server, { num_gpu: 0 }, alone), expected);
  assert.match(await processor(server), /100% CPU/);

  set('1x400');
  await eventually('it is found again by itself', async () => (await health(server)).status === 'ok');
  assert.equal(await ready(server), 200);
  assert.match(server.log, /GPU is there again/);
  assert.equal(await metric(server, `deepanalyze_device_up{device="${uuid(1)}"}`), 1);
  assert.equal(await metric(server, `deepanalyze_device_faults_total{device="${uuid(1)}"}`), 1);
  assert.equal(await answer(server, { num_gpu: 99 }, alone), expected);
  assert.match(await processor(server), /100% GPU/);
  note('faults injected', 'U04', 'the only GPU lost in an answer of the server, found again');
});

test('one of two GPUs is gone: models run on what is left, and on both again when it is back', async () => {
  const { set, environment } = machine('2x400');
  const server = await serve({ ...environment, ...overhead(vram) });
  assert.equal(await answer(server, {}, alone), expected);
  assert.match(server.log, /5 of 5 layers on 2 GPUs/);
  set('2x400 gone:0');
  assert.equal((await health(server)).status, 'ok', 'nobody has noticed');
  await unload(server);
  assert.equal(await answer(server, {}, alone), expected);
  const now = await health(server);
  assert.equal(now.status, 'degraded');
  assert.equal(now.reason, `Emulated GPU 1 (${uuid(1)}): the driver no longer shows it`);
  assert.deepEqual(now.gpus.map((gpu) => gpu.state), ['lost', 'ok']);
  assert.equal(await ready(server), 200);
  assert.match(await processor(server), /\d+%\/\d+% CPU\/GPU/);
  assert.match(server.log, /4 of 5 layers on 1 GPU: GPU 0 \(Emulated GPU 2\)/);
  assert.match(server.log, /a model is loaded while GPUs are lost/);
  assert.equal(await metric(server, `deepanalyze_device_memory_bytes{device="${uuid(1)}",state="room"}`), 0);

  const before = loads(server);
  set('2x400');
  await eventually('it is found again', async () => (await health(server)).status === 'ok');
  assert.equal(await answer(server, {}, alone), expected);
  assert.equal(loads(server), before + 1, server.log);
  assert.match(server.log, /Emulated GPU 1 is there again; it is loaded anew/);
  assert.equal((await loaded(server)).size_vram, (await loaded(server)).size);
  note('faults injected', 'U04', 'one of the server\'s two GPUs gone, found again');
});

test('gpu_loss: cpu goes on without GPUs and says so; refuse waits for all of them', async () => {
  const lost = machine('1x400');
  const cpu = await serve({ ...lost.environment, DEEPANALYZE_GPU_LOSS: 'cpu' });
  assert.equal(await answer(cpu, {}, alone), expected);
  await unload(cpu);
  lost.set('1x400 broken:0');
  assert.equal(await answer(cpu, {}, alone), expected);
  assert.match(await processor(cpu), /100% CPU/);
  assert.equal((await health(cpu)).status, 'degraded');
  assert.equal(await ready(cpu), 200);
  assert.match(cpu.log, /no GPU can be used .*the model runs on the CPU, as gpu_loss allows/);

  const one = machine('2x400');
  const refuse = await serve({ ...one.environment, DEEPANALYZE_GPU_LOSS: 'refuse' });
  assert.equal(await answer(refuse, {}, alone), expected);
  await unload(refuse);
  one.set('2x400 gone:1');
  const response = await ask(refuse, {}, alone);
  assert.equal(response.status, 503);
  assert.match((await response.json()).error, /^degraded: Emulated GPU 2 .*; gpu_loss=others would use the GPUs that are left/);
  assert.equal(await ready(refuse), 503);
  one.set('2x400');
  assert.equal(await answer(refuse, {}, alone), expected, 'it is tried with every load');
  assert.equal((await health(refuse)).status, 'ok');
  for (const policy of ['cpu', 'refuse']) note('faults injected', 'U04', `lost with gpu_loss ${policy}`);
});

test('a driver that fails is no machine without GPUs', async () => {
  const { set, environment } = machine('1x400 driver_fails');
  const server = await serve(environment);
  const refused = await ask(server, {}, alone);
  assert.equal(refused.status, 503, server.log);
  assert.match((await refused.json()).error, /the GPU driver fails: .*cudaErrorUnknown/);
  assert.match((await health(server)).reason, /the GPU driver fails/);
  set('1x400');
  await eventually('it is well again', async () => (await health(server)).status === 'ok');
  assert.equal(await answer(server, {}, alone), expected);
  assert.match(await processor(server), /100% GPU/);

  const none = await serve(machine('0x0').environment);
  assert.equal(await answer(none, {}, alone), expected);
  assert.deepEqual(await health(none), { status: 'ok', no_gpu: 'no GPU: the driver shows none' });
  note('faults injected', 'U04', 'the driver fails under the server');
  note('faults injected', 'U06', 'no GPU under the server');
});

test('a model bound to one GPU (main_gpu) does not move to another', async () => {
  const { set, environment } = machine('2x400');
  const server = await serve(environment, 'PARAMETER main_gpu 1\n');
  assert.equal(await answer(server, {}, alone), expected);
  assert.match(server.log, /5 of 5 layers on 1 GPU: GPU 1 \(Emulated GPU 2\)/);
  await unload(server);
  set('2x400 gone:1');
  const refused = await ask(server, {}, alone);
  assert.equal(refused.status, 500);
  assert.match((await refused.json()).error, new RegExp(`main_gpu 1 \\(${uuid(2)}\\): the driver does not show it`));
  const wrong = await serve(machine('1x400').environment, 'PARAMETER main_gpu 7\n');
  const response = await ask(wrong, {}, alone);
  assert.match((await response.json()).error, /main_gpu 7: the driver does not show it; it shows 1/);
});
