// A real `deepanalyze serve` on free loopback ports with a model folder of its own, for the tests beside this file.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
export const binary = process.env.DEEPANALYZE_BINARY ?? join(root, 'build/release/bin/deepanalyze');
export const golden = process.env.DEEPANALYZE_GOLDEN ?? join(root, '../shared/golden');
export const stories = join(golden, 'stories/stories260K.gguf');

export async function freePort() {
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

export async function startServer(environment = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'deepanalyze-e2e-'));
  const [port, uiPort] = [await freePort(), await freePort()];
  const env = {
    ...process.env, HOME: folder, OLLAMA_MODELS: join(folder, 'models'), OLLAMA_HOST: `127.0.0.1:${port}`,
    DEEPANALYZE_UI_PORT: `${uiPort}`, DEEPANALYZE_LOG_LEVEL: 'debug', ...environment,
  };
  const child = spawn(binary, ['serve'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const server = { folder, env, child, port, uiPort, url: `http://127.0.0.1:${port}`, ui: `http://127.0.0.1:${uiPort}`, log: '' };
  child.stdout.on('data', (data) => { server.log += data; });
  child.stderr.on('data', (data) => { server.log += data; });
  server.exited = new Promise((resolve) => child.on('exit', (code, signal) => resolve({ code, signal })));
  server.stop = async () => {
    child.kill('SIGTERM');
    const outcome = await server.exited;
    rmSync(folder, { recursive: true, force: true });
    return outcome;
  };
  for (let i = 0; i < 200; ++i) {
    if (child.exitCode !== null) throw new Error(`serve ended: ${server.log}`);
    try {
      const answer = await fetch(server.url);
      if (answer.ok) return server;
    } catch { /* not yet */ }
    await sleep(50);
  }
  throw new Error(`serve did not answer: ${server.log}`);
}

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// Runs the CLI against the server; resolves with its output.
export function cli(server, args, { input = '', env = {} } = {}) {
  const child = spawn(binary, args, { env: { ...server.env, ...env } });
  let stdout = '', stderr = '';
  child.stdout.on('data', (data) => { stdout += data; });
  child.stderr.on('data', (data) => { stderr += data; });
  child.stdin.on('error', () => {});   // a command that fails early does not read
  child.stdin.end(input);
  return new Promise((resolve) => { child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })); });
}

// The events of an SSE answer, as they come.
export async function* events(response) {
  const decoder = new TextDecoder();
  let buffer = '';
  for await (const chunk of response.body) {
    buffer += decoder.decode(chunk, { stream: true });
    for (let end; (end = buffer.indexOf('\n\n')) >= 0;) {
      const block = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      const data = block.split('\n').filter((line) => line.startsWith('data:')).map((line) => line.slice(5)).join('\n');
      if (data !== '') yield JSON.parse(data);
    }
  }
}
