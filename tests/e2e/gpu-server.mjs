// A server on emulated GPUs with the stories model, for the tests beside this file.
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { cli, golden, startServer, stories } from './server.mjs';

const plugin = process.env.EMULATED_PLUGIN;
assert.ok(plugin && existsSync(plugin), 'EMULATED_PLUGIN names the plugin on the emulated runtime');
export const text = JSON.parse(readFileSync(join(golden, 'stories/stories260K.json'))).greedy.text;
export const alone = text.slice(0, 40);
// What was shown, for tools/gpu-summary.sh: as tests/support/gpu_notes.h.
const notes = process.env.DEEPANALYZE_GPU_LOG ? `${process.env.DEEPANALYZE_GPU_LOG}-${basename(process.argv[1])}.log` : '';
if (notes) writeFileSync(notes, '');
export const note = (kind, group, what) => { if (notes) appendFileSync(notes, `${kind}\t${group}\t${what}\n`); };
export const servers = [];
export const stopAll = async () => { for (const server of servers) await server.stop(); };

export async function serve(environment, parameters = '') {
  const server = await startServer({ DEEPANALYZE_CUDA_PLUGIN: plugin, DEEPANALYZE_LOG_LEVEL: 'info', OLLAMA_NUM_PARALLEL: '2', ...environment });
  servers.push(server);
  const modelfile = join(server.folder, 'Modelfile');
  writeFileSync(modelfile, `FROM ${stories}\nPARAMETER temperature 0\nPARAMETER num_ctx 512\n${parameters}`);
  const created = await cli(server, ['create', 'stories', '-f', modelfile]);
  assert.equal(created.code, 0, created.stderr);
  return server;
}

export const ask = (server, options = {}, prompt = '') => fetch(`${server.url}/api/generate`, {
  method: 'POST', body: JSON.stringify({ model: 'stories', prompt, raw: true, stream: false, options: { num_predict: 6, ...options } }),
});
export const answer = async (server, options, prompt) => {
  const response = await ask(server, options, prompt);
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body) + server.log);
  return body.response;
};
export const unload = async (server) => {
  const response = await fetch(`${server.url}/api/generate`, { method: 'POST', body: JSON.stringify({ model: 'stories', keep_alive: 0 }) });
  assert.equal(response.status, 200);
};
export const loaded = async (server) => (await (await fetch(`${server.url}/api/ps`)).json()).models[0];
export const processor = async (server) => (await cli(server, ['ps'])).stdout;
export const loads = (server) => (server.log.match(/loading model/g) ?? []).length;
// With it one byte less than a model of `vram` bytes needs is free on a GPU of 400 MiB.
export const overhead = (vram) => ({ OLLAMA_GPU_OVERHEAD: `${((400 - 256) << 20) - vram + 1}` });
