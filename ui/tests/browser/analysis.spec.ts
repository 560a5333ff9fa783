// Drives the page against a running server. Nothing here knows what the report says: it is checked against its own evidence.
import {
  activeMarks, analyse, downloaded, evidenceOf, expect, expectMarked, expectPhase, kText, reportPane, test, textInput,
} from './fixtures';

test('analyses a text and ties every claim to its quote', async ({ page }) => {
  await textInput(page).pressSequentially('深析😀');
  await expect(page.getByTestId('count')).toHaveText('3 characters');
  await analyse(page);

  const parts = page.locator('.report .part-title');
  await expect(parts).toHaveText(['Core viewpoints', 'Key information', 'Underlying sentiment']);
  await expect(page.getByTestId('marked-text')).toHaveText(kText, { useInnerText: false });

  const { result, evidence } = await evidenceOf(page);
  expect(result.core_viewpoints!.length).toBeGreaterThan(0);
  const claims = page.locator('[data-claim]');
  await expect(claims).toHaveCount(evidence.length);
  const codePoints = [...kText];
  for (const [i, { quote, start, end }] of evidence.entries()) {
    expect(codePoints.slice(start, end).join('')).toBe(quote);
    await claims.nth(i).hover();
    await expect(claims.nth(i)).toHaveAttribute('data-active', 'true');
    await expectMarked(page, quote);
  }
  await page.mouse.move(0, 0);
  await expect(activeMarks(page)).toHaveCount(0);
});

test('streams the report as it is written', async ({ page }) => {
  await page.evaluate(() => {
    const phases = new Set<string>();
    Object.assign(window, { phases });
    new MutationObserver(() => phases.add(document.querySelector<HTMLElement>('.pane-report')!.dataset.phase!)).observe(
      document.body,
      { attributes: true, subtree: true, childList: true },
    );
  });
  await analyse(page);
  const phases = await page.evaluate(() => [...(window as unknown as { phases: Set<string> }).phases]);
  expect(phases).toContain('writing');
  const stats = page.getByTestId('stats');
  await expect(stats.locator('[data-stat=first-token] dd')).toHaveText(/^\d[\d.]* (ms|s|min.*)$/);
  await expect(stats.locator('[data-stat=speed] dd')).toHaveText(/^\d[\d.,]* tokens\/s$/);
});

test('lights up the claim of a mark under the pointer', async ({ page }) => {
  await analyse(page);
  const mark = page.locator('mark').first();
  const ids = (await mark.getAttribute('data-claims'))!.split(' ');
  await mark.hover();
  for (const id of ids) await expect(page.locator(`[data-claim="${id}"]`)).toHaveAttribute('data-active', 'true');
});

test('is usable by keyboard alone', async ({ page }) => {
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the text' })).toBeFocused();
  await page.keyboard.press('Enter');
  for (let i = 0; i < 6 && !(await textInput(page).evaluate((area) => area === document.activeElement)); i++) {
    await page.keyboard.press('Tab');
  }
  await expect(textInput(page)).toBeFocused();
  await page.keyboard.insertText(kText);
  await page.keyboard.press('Control+Enter');
  // The focus may not fall off the page when the text area makes room for the marked text.
  await expect(page.locator('body')).not.toBeFocused();
  await expectPhase(page, 'complete');
  const { evidence } = await evidenceOf(page);

  const references = page.locator('.reference');
  for (let i = 0; i < 30 && !(await references.first().evaluate((button) => button === document.activeElement)); i++) {
    await page.keyboard.press('Tab');
  }
  await expect(references.first()).toBeFocused();
  await page.mouse.move(0, 0);
  await expectMarked(page, evidence[0]!.quote);
  await page.keyboard.press('ArrowDown');
  await expect(references.nth(1)).toBeFocused();
  await expectMarked(page, evidence[1]!.quote);
  await page.keyboard.press('ArrowUp');
  await expectMarked(page, evidence[0]!.quote);

  await page.getByRole('radio', { name: 'Evidence' }).focus();
  await page.keyboard.press('ArrowLeft');
  await expect(textInput(page)).toBeVisible();
  await references.first().focus();
  await page.keyboard.press('Enter');
  await expect(page.getByTestId('marked-text')).toBeVisible();
});

for (const how of ['button', 'Escape'] as const) {
  test(`stops by ${how}`, async ({ page }) => {
    // A fast model may be done before the click: then the next text is longer.
    for (const times of [1, 6, 24, 96]) {
      await textInput(page).fill(kText.repeat(times));
      const deletion = page.waitForRequest((request) => request.method() === 'DELETE', { timeout: 10_000 }).catch(() => null);
      await page.getByTestId('analyse').click();
      const stop = page.getByTestId('stop');
      if (how === 'button') await stop.click({ timeout: 2000 }).catch(() => undefined);
      else await page.keyboard.press('Escape');
      const request = await deletion;
      await expect(reportPane(page)).toHaveAttribute('data-phase', /cancelled|complete|error/);
      if ((await reportPane(page).getAttribute('data-phase')) === 'cancelled') {
        expect(request?.url()).toMatch(/\/api\/analyze\/[^/]+$/);
        await expect(page.getByTestId('status')).toHaveText(/^Stopped/);
        await expect(page.getByTestId('analyse')).toBeEnabled();
        return;
      }
      await page.getByRole('radio', { name: 'Edit' }).check({ force: true });
    }
    throw new Error('no run could be stopped');
  });
}

test('hands out Markdown and JSON, by file and by clipboard', async ({ page }) => {
  await analyse(page);
  const markdown = await downloaded(page, /Download as Markdown/);
  expect(markdown.name).toMatch(/^deepanalyze-\d{8}-\d{6}\.md$/);
  const { result } = await evidenceOf(page);
  // Markdown may escape characters that the statement has.
  expect(markdown.content.replaceAll('\\', '')).toContain(result.core_viewpoints![0]!.statement!.slice(0, 10));

  await page.getByRole('button', { name: 'Copy as Markdown' }).click();
  await expect(page.locator('.exports [role=status]')).toHaveText('Copied');
  await page.getByRole('radio', { name: 'Edit' }).check({ force: true });
  await textInput(page).fill('');
  await textInput(page).focus();
  await page.keyboard.press('Control+V');
  await expect(textInput(page)).toHaveValue(markdown.content);
  await expect(page.locator('.text-changed')).toBeVisible();
});

test('speaks Chinese and English in the middle of a report', async ({ page }) => {
  await analyse(page);
  await page.getByTestId('language-toggle').click();
  await expect(page.locator('html')).toHaveAttribute('lang', 'zh-CN');
  await expect(page.locator('.report .part-title')).toHaveText(['核心观点', '关键信息', '潜在情感']);
  await expect(page.getByTestId('marked-text')).toBeVisible();
});
