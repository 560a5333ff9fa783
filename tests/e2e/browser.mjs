// Starts the real server and hands its page to the browser test of ui/.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, startServer } from './server.mjs';

const server = await startServer();
const { status } = spawnSync('npm', ['run', '--silent', 'test:browser'], {
  cwd: join(root, 'ui'), stdio: 'inherit', env: { ...process.env, DEEPANALYZE_URL: `${server.ui}/` },
});
await server.stop();
process.exit(status ?? 1);
