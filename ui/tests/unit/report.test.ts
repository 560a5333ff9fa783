import { describe, expect, it } from 'vitest';
import type { AnalysisResult } from '../../src/api/types';
import { claimsOf, spansOf } from '../../src/report/claims';
import { exportContent, exportFileName } from '../../src/report/exports';

const kResult: AnalysisResult = {
  language: 'zh',
  core_viewpoints: [
    { evidence: { quote: '甲', start: 0, end: 1 }, kind: 'stance', statement: '一' },
    { evidence: { quote: '乙', start: 1, end: 2 }, kind: 'claim', statement: '二' },
  ],
  key_information: [{ evidence: { quote: '丙', start: 2, end: 3 }, time: '', subject: '丙', figures: ['3%'] }],
  underlying_sentiment: { evidence: { quote: '丁', start: 3, end: 4 }, polarity: 'mixed', intensity: 3 },
};

describe('claimsOf', () => {
  it('numbers the claims through the three parts', () => {
    const claims = claimsOf(kResult);
    expect(claims.all.map(({ id, number }) => [id, number])).toEqual([
      ['viewpoint-0', 1], ['viewpoint-1', 2], ['fact-0', 3], ['sentiment-0', 4],
    ]);
    expect(spansOf(claims)).toContainEqual({ claimId: 'fact-0', start: 2, end: 3 });
  });

  it('takes what is only half written', () => {
    expect(claimsOf(null).all).toEqual([]);
    expect(claimsOf({}).all).toEqual([]);
    expect(claimsOf({ underlying_sentiment: {} }).sentiment).toBeNull();
    const growing = { core_viewpoints: [{ evidence: { quote: '未完' } }, null] } as unknown as AnalysisResult;
    const claims = claimsOf(growing);
    expect(claims.viewpoints).toHaveLength(1);
    expect(spansOf(claims)).toEqual([]);
  });

  it('marks no empty or reversed evidence', () => {
    const claims = claimsOf({ core_viewpoints: [{ evidence: { start: 2, end: 2 } }, { evidence: { start: 3, end: 1 } }] });
    expect(spansOf(claims)).toEqual([]);
  });
});

describe('exports', () => {
  it('gives the Markdown of the server as it is, with one line end', () => {
    expect(exportContent('markdown', '# 报告\n', kResult)).toBe('# 报告\n');
    expect(exportContent('markdown', '# 报告', kResult)).toBe('# 报告\n');
  });

  it('gives the result in the shape of the API', () => {
    const json = exportContent('json', '# 报告', kResult);
    expect(JSON.parse(json)).toEqual(kResult);
    expect(json).toContain('\n  "language": "zh"');
    expect(json).toContain('甲');
    expect(json.endsWith('}\n')).toBe(true);
  });

  it('names files by time alone', () => {
    const noon = new Date(2026, 0, 2, 3, 4, 5);
    expect(exportFileName('markdown', noon)).toBe('deepanalyze-20260102-030405.md');
    expect(exportFileName('json', noon)).toBe('deepanalyze-20260102-030405.json');
  });
});
