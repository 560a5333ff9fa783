// What the page does by itself; the server's part is played by the test where it matters.
import { analyse, expect, expectMarked, expectPhase, fakeStream, runToEnd, test, textInput } from './fixtures';

test('keeps browser helpers away from the text', async ({ page }) => {
  for (const [name, value] of [['spellcheck', 'false'], ['autocomplete', 'off'], ['translate', 'no']] as const) {
    await expect(textInput(page)).toHaveAttribute(name, value);
  }
  await expect(page.getByTestId('analyse')).toBeDisabled();
});

test('remembers language and theme, and nothing else', async ({ page }) => {
  const html = page.locator('html');
  const ground = () => html.evaluate((element) => getComputedStyle(element).backgroundColor);
  const light = await ground();
  await textInput(page).fill('a secret');
  await page.getByTestId('theme-toggle').click();
  await expect(html).toHaveAttribute('data-theme', 'light');
  await page.getByTestId('theme-toggle').click();
  await expect(html).toHaveAttribute('data-theme', 'dark');
  expect(await ground()).not.toBe(light);
  await page.getByTestId('language-toggle').click();
  await page.reload();
  await expect(html).toHaveAttribute('lang', 'zh-CN');
  await expect(html).toHaveAttribute('data-theme', 'dark');
  await expect(textInput(page)).toHaveValue('');
  expect(await page.evaluate(() => Object.keys(localStorage).sort())).toEqual(['language', 'theme']);
  await page.getByTestId('theme-toggle').click();
  expect(await page.evaluate(() => Object.keys(localStorage))).toEqual(['language']);
});

test('follows the system in dark', async ({ page }) => {
  const ground = () => page.locator('html').evaluate((element) => getComputedStyle(element).backgroundColor);
  const light = await ground();
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await ground()).not.toBe(light);
});

test('opens text files, and says why it does not', async ({ page }) => {
  const picker = page.locator('input[type=file]');
  await picker.setInputFiles({ name: 'note.txt', mimeType: 'text/plain', buffer: Buffer.from('\uFEFF深析\r\n第二行😀') });
  await expect(textInput(page)).toHaveValue('深析\n第二行😀');
  await expect(page.getByTestId('count')).toHaveText('7 characters');
  await expect(page.locator('.file-name')).toHaveText('note.txt');

  const notice = page.locator('.notice');
  await picker.setInputFiles({ name: 'old.txt', mimeType: 'text/plain', buffer: Buffer.from([0xc9, 0xee, 0xce, 0xf6]) });
  await expect(notice).toContainText('“old.txt” is not UTF-8');
  await picker.setInputFiles({ name: 'big.md', mimeType: 'text/plain', buffer: Buffer.alloc(8 * 1024 * 1024 + 1, 97) });
  await expect(notice).toContainText('“big.md” is larger than 8 MiB');
  await expect(textInput(page)).toHaveValue('深析\n第二行😀');
  await notice.getByRole('button').click();
  await expect(notice).toHaveCount(0);
});

test('takes a dropped file', async ({ page }) => {
  const drop = (name: string) =>
    page.evaluate((fileName) => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(['# 标题\n'], fileName));
      const target = document.querySelector('.pane-report')!;
      for (const type of ['dragenter', 'dragover', 'drop']) {
        target.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
      }
    }, name);
  await drop('a.pdf');
  await expect(page.locator('.notice')).toContainText('neither .txt nor .md');
  await drop('a.md');
  await expect(textInput(page)).toHaveValue('# 标题\n');
  await expect(page.locator('.notice')).toHaveCount(0);
  await expect(page.locator('.drop-overlay')).toHaveCount(0);
});

test('shows errors in the words of the server', async ({ page }) => {
  const message = 'model "x": asked for 12.4 GiB, 8.0 GiB free <b>now</b>';
  await page.route('**/api/analyze', (route) => route.fulfill({ status: 507, json: { error: message } }));
  await textInput(page).fill('text');
  await page.getByTestId('analyse').click();
  await expect(page.getByTestId('error')).toHaveText(message);
  await expectPhase(page, 'error');

  await page.unroute('**/api/analyze');
  await fakeStream(page, [{ status: 'writing', report: 'half' }, { status: 'error', error: message }]);
  await page.getByTestId('analyse').click();
  await expect(page.getByTestId('error')).toHaveText(message);
});

test('says so when the connection is lost', async ({ page }) => {
  await page.route('**/api/analyze', (route) => route.abort());
  await textInput(page).fill('text');
  await page.getByTestId('analyse').click();
  await expect(page.getByTestId('error')).toHaveText(/cannot be reached/);
  await page.unroute('**/api/analyze');
  await fakeStream(page, [{ status: 'writing', report: 'half' }]);
  await page.getByTestId('analyse').click();
  await expect(page.getByTestId('error')).toHaveText(/closed before the report was complete/);
});

test('shows what a model writes as text, never as markup', async ({ page }) => {
  const hostile = '<img src=http://other.example/x onerror=alert(1)>![x](http://other.example/y) [go](javascript:alert(1))';
  const text = `甲${hostile}乙`;
  const evidence = { quote: hostile, start: 1, end: 1 + [...hostile].length };
  await fakeStream(page, [
    { status: 'later-invention' },
    {
      status: 'complete',
      report: hostile,
      result: {
        language: 'en',
        core_viewpoints: [{ evidence, kind: hostile, statement: hostile }],
        key_information: [{ evidence, time: hostile, subject: hostile, action: hostile, result: hostile, figures: [hostile] }],
        underlying_sentiment: { evidence, surface_tone: hostile, underlying_attitude: hostile, polarity: hostile, intensity: 9, confidence: hostile },
      },
      stats: { model: hostile },
      warnings: [hostile],
    },
  ]);
  await analyse(page, text);
  await expect(page.locator('main :is(img, iframe, script, object, embed, video, audio)')).toHaveCount(0);
  await expect(page.locator('main a')).toHaveCount(0);
  await expect(page.getByTestId('quote').first()).toHaveText(hostile);
  await page.locator('[data-claim]').first().hover();
  await expectMarked(page, hostile);
});

test('marks overlapping evidence and emoji to the character', async ({ page }) => {
  const text = 'a😀bcd👩‍👩‍👧e𠮷f';
  const codePoints = [...text];
  const at = (start: number, end: number) => ({ quote: codePoints.slice(start, end).join(''), start, end });
  const spans = [at(1, 5), at(3, 10), at(0, codePoints.length), at(4, 5)];
  await fakeStream(page, [
    { status: 'complete', report: 'r', result: { language: 'en', core_viewpoints: spans.map((evidence) => ({ evidence, kind: 'claim', statement: 's' })) } },
  ]);
  await analyse(page, text);
  for (const [i, { quote }] of spans.entries()) {
    await page.locator('[data-claim]').nth(i).hover();
    await expectMarked(page, quote);
  }
});

test('brings the evidence of a long text into view, and the claim of a mark', async ({ page }) => {
  const line = '这是一份很长的材料中的一行，行行都不一样。\n';
  const text = Array.from({ length: 4000 }, (_, i) => `${i} ${line}`).join('');
  const codePoints = [...text];
  const claims = Array.from({ length: 12 }, (_, i) => {
    const start = Math.floor((codePoints.length / 12) * i) + 5;
    return { evidence: { quote: codePoints.slice(start, start + 60).join(''), start, end: start + 60 }, kind: 'claim', statement: 's' };
  });
  await fakeStream(page, [{ status: 'complete', report: 'r', result: { language: 'zh', core_viewpoints: claims } }]);
  // Filling in thousands of lines takes the browser longer than opening them.
  await page.locator('input[type=file]').setInputFiles({ name: 'long.txt', mimeType: 'text/plain', buffer: Buffer.from(text) });
  await runToEnd(page);
  for (const i of [6, 0, 11]) {
    await page.locator('[data-claim]').nth(i).hover();
    await expectMarked(page, claims[i]!.evidence.quote);
    await expect(page.locator('mark[data-active]').first()).toBeInViewport();
  }
  const last = page.locator('[data-claim]').last();
  await page.locator('.report-body').evaluate((body) => (body.scrollTop = 0));
  await expect(last).not.toBeInViewport();
  await page.locator('mark').last().click();
  await expect(last).toBeInViewport();
});

test('fits a narrow screen', async ({ page }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await analyse(page, `${'很长的一段文字，'.repeat(40)}aVeryLongWordWithoutAnySpaces${'x'.repeat(80)}。2024年增长3%。`);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(overflow).toBe(0);
});
