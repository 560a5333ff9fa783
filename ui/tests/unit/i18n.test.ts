import { describe, expect, it } from 'vitest';
import { formatMessage, kMessages, translateValue, translator, type MessageKey } from '../../src/i18n';
import { formatBytes, formatMilliseconds, formatRate } from '../../src/i18n/numbers';

const placeholders = (message: string) => [...message.matchAll(/\{(\w+)\}/g)].map((match) => match[1]).sort();

describe('messages', () => {
  it('has the same keys in both languages', () => {
    expect(Object.keys(kMessages.zh).sort()).toEqual(Object.keys(kMessages.en).sort());
  });

  it.each(Object.keys(kMessages.en) as MessageKey[])('%s has text and the same values in both languages', (key) => {
    expect(kMessages.en[key].trim()).not.toBe('');
    expect(kMessages.zh[key].trim()).not.toBe('');
    expect(placeholders(kMessages.zh[key])).toEqual(placeholders(kMessages.en[key]));
  });

  it('names the parts as the protocol does', () => {
    const parts = ['part_viewpoints', 'part_facts', 'part_sentiment'] as const;
    expect(parts.map((key) => kMessages.zh[key])).toEqual(['核心观点', '关键信息', '潜在情感']);
    expect(parts.map((key) => kMessages.en[key])).toEqual(['Core viewpoints', 'Key information', 'Underlying sentiment']);
  });

  it('puts values in once', () => {
    expect(formatMessage('{a} of {b}, {c}', { a: '{b}', b: 2 })).toBe('{b} of 2, {c}');
  });

  it('translates protocol values and shows unknown ones as they came', () => {
    const t = translator('zh');
    expect(translateValue(t, 'kind', 'judgement')).toBe('判断');
    expect(translateValue(t, 'polarity', 'mixed')).toBe('复杂');
    expect(translateValue(t, 'confidence', 'high')).toBe('高');
    expect(translateValue(t, 'kind', 'toString')).toBe('toString');
    expect(translateValue(t, 'polarity', 'new')).toBe('new');
  });
});

describe('numbers', () => {
  it('formats speed, times and sizes', () => {
    expect([formatRate(7.256), formatRate(1234.5)]).toEqual(['7.3', '1,235']);
    expect([420.4, 1234, 12_345, 125_000].map(formatMilliseconds)).toEqual(['420 ms', '1.23 s', '12.3 s', '2 min 5 s']);
    expect([formatBytes(5 * 2 ** 20), formatBytes(3.2 * 2 ** 30)]).toEqual(['5.0 MiB', '3.2 GiB']);
  });
});
