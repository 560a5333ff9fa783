import { readFile } from 'node:fs/promises';
import { expect, test as base, type Download, type Page } from '@playwright/test';
import type { AnalysisResult, Evidence } from '../../src/api/types';

/** What a private page must never do, noted during every test. */
interface Watch {
  foreignRequests: string[];
  violations: string[];
  pageErrors: string[];
}

async function watch(page: Page, origin: string): Promise<Watch> {
  const seen: Watch = { foreignRequests: [], violations: [], pageErrors: [] };
  page.on('request', (request) => {
    // A blob: address carries the origin of the page that made it.
    if (!request.url().replace(/^blob:/, '').startsWith(`${origin}/`)) seen.foreignRequests.push(request.url());
  });
  page.on('pageerror', (error) => seen.pageErrors.push(String(error)));
  page.on('console', (message) => {
    if (/content.security.policy|trusted ?(types|html|script)/i.test(message.text())) seen.violations.push(message.text());
  });
  await page.exposeFunction('reportViolation', (directive: string) => seen.violations.push(directive));
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      (window as unknown as { reportViolation: (directive: string) => void }).reportViolation(event.violatedDirective);
    });
  });
  return seen;
}

async function checkNothingKept(page: Page): Promise<void> {
  const kept = await page.evaluate(async () => ({
    local: Object.keys(localStorage),
    session: Object.keys(sessionStorage),
    cookies: document.cookie,
    databases: (await indexedDB.databases()).length,
    // Absent where the page was loaded over plain HTTP from another machine.
    caches: 'caches' in window ? (await caches.keys()).length : 0,
    workers: navigator.serviceWorker ? (await navigator.serviceWorker.getRegistrations()).length : 0,
  }));
  expect(kept.local.filter((key) => !['language', 'theme'].includes(key))).toEqual([]);
  expect(kept).toMatchObject({ session: [], cookies: '', databases: 0, caches: 0, workers: 0 });
}

/** A page that is open, and that is checked for leaks when the test ends. */
export const test = base.extend({
  page: async ({ page, baseURL }, use) => {
    const seen = await watch(page, new URL(baseURL!).origin);
    const response = await page.goto(baseURL!);
    expect(response?.headers()['content-security-policy']).toContain("default-src 'none'");
    // The page is drawn a moment after it is loaded: keys pressed before would be lost.
    await expect(textInput(page)).toBeVisible();
    await use(page);
    await checkNothingKept(page);
    expect(seen).toEqual({ foreignRequests: [], violations: [], pageErrors: [] });
  },
});

export { expect };

export const kText =
  '2024年Q2国内新能源汽车销量达182.3万辆，同比增长35.7%。比亚迪以42.7万辆居首😀，特斯拉中国交付量为16.5万辆。' +
  '值得注意的是，15-20万元价格带车型占比首次突破48%，成为市场主力。\n' +
  '用户调研显示，续航焦虑缓解与智能座舱实用性提升是两大关键驱动因素，但下半年的价格战仍令人担忧。';

export const textInput = (page: Page) => page.locator('#text');
export const reportPane = (page: Page) => page.locator('.pane-report');
export const activeMarks = (page: Page) => page.locator('mark[data-active]');

/** The text that is lit up is this quote, to the character. */
export async function expectMarked(page: Page, quote: string): Promise<void> {
  await expect.poll(async () => (await activeMarks(page).allTextContents()).join('')).toBe(quote);
}

export async function expectPhase(page: Page, phase: string): Promise<void> {
  await expect(reportPane(page)).toHaveAttribute('data-phase', phase);
}

/** Types the text, runs the analysis and waits for the whole report. */
export async function analyse(page: Page, text = kText): Promise<void> {
  await textInput(page).fill(text);
  await runToEnd(page);
}

export async function runToEnd(page: Page): Promise<void> {
  await page.getByTestId('analyse').click();
  await expect(reportPane(page)).toHaveAttribute('data-phase', /complete|error/);
  await expectPhase(page, 'complete');
}

export async function downloaded(page: Page, button: RegExp): Promise<{ name: string; content: string }> {
  const waiting: Promise<Download> = page.waitForEvent('download');
  await page.getByRole('button', { name: button }).click();
  const download = await waiting;
  return { name: download.suggestedFilename(), content: await readFile(await download.path(), 'utf8') };
}

/** The evidence of every claim in the order of the page, from the JSON that the page hands out. */
export async function evidenceOf(page: Page): Promise<{ result: AnalysisResult; evidence: Evidence[] }> {
  const { content } = await downloaded(page, /Download as JSON/);
  const result = JSON.parse(content) as AnalysisResult;
  const items = [...(result.core_viewpoints ?? []), ...(result.key_information ?? []), result.underlying_sentiment!];
  return { result, evidence: items.map((item) => item.evidence as Evidence) };
}

/** Answers the stream request with the events given, whatever the server is. */
export async function fakeStream(page: Page, events: object[]): Promise<void> {
  await page.route('**/api/analyze', (route) => route.fulfill({ json: { task_id: 'fake' } }));
  await page.route('**/api/stream?*', (route) =>
    route.fulfill({
      contentType: 'text/event-stream',
      body: events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''),
    }),
  );
}
