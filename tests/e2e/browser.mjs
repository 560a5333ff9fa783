// Starts the real server and hands its page to the browser test of ui/. Two tests watch states that the bundled model may pass
// in one frame; they run against the paced stand-in (ui-browser), and the real stream's order and cancel in analyze.test.mjs.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, startServer } from './server.mjs';

const server = await startServer();
const { status } = spawnSync('npx', ['playwright', 'test', '--grep-invert', 'stops by|streams the report'], {
  cwd: join(root, 'ui'), stdio: 'inherit', env: { ...process.env, DEEPANALYZE_URL: `${server.ui}/` },
});
await server.stop();
process.exit(status ?? 1);
