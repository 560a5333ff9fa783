import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from '@playwright/test';

// DEEPANALYZE_URL: a running `deepanalyze serve`. Without it the tests start the stand-in, which needs `npm run build` first.
const kServer = process.env.DEEPANALYZE_URL;
const kMockPort = 4173;

export default defineConfig({
  testDir: 'tests/browser',
  // A model on a small machine takes its time; the stand-in does not.
  timeout: kServer ? 300_000 : 30_000,
  expect: { timeout: kServer ? 240_000 : 10_000 },
  workers: 1,
  retries: 0,
  reporter: [['list']],
  // Nothing is left in the working tree.
  outputDir: join(tmpdir(), 'deepanalyze-ui-tests'),
  use: {
    baseURL: kServer ?? `http://127.0.0.1:${kMockPort}/`,
    viewport: { width: 1360, height: 850 },
    locale: 'en-US',
    colorScheme: 'light',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
  webServer: kServer
    ? undefined
    : {
        command: `node tests/mock-server.mjs --port ${kMockPort} --pace 12`,
        url: `http://127.0.0.1:${kMockPort}/`,
        reuseExistingServer: false,
      },
});
