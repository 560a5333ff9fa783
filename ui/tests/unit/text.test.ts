import { describe, expect, it } from 'vitest';
import { CodePointIndex, countCodePoints } from '../../src/text/codePoints';
import { decodeText, FileError, kMaxFileBytes, readTextFile } from '../../src/text/files';
import { guessLanguage } from '../../src/text/script';
import { chunkEnds, segmentText, type Span } from '../../src/text/segments';

const kMixed = '深析😀 ok 👩‍👩‍👧 𠮷野家\ne\u0301!';

describe('code points', () => {
  it('counts as the server does', () => {
    for (const text of ['', 'abc', '深析', '😀', kMixed, '\ud800', 'a\udc00b', '\udc00\ud800']) {
      expect(countCodePoints(text)).toBe([...text].length);
      expect(new CodePointIndex(text).length).toBe([...text].length);
    }
  });

  it('maps every offset, also far from a checkpoint', () => {
    const text = `${'ab😀'.repeat(CodePointIndex.kStride)}${kMixed}`;
    const index = new CodePointIndex(text);
    let unit = 0;
    let codePoint = 0;
    for (const character of text) {
      expect(index.toUtf16(codePoint)).toBe(unit);
      unit += character.length;
      codePoint++;
    }
    expect(index.toUtf16(codePoint)).toBe(text.length);
  });

  it('clamps what is outside', () => {
    const index = new CodePointIndex('a😀');
    expect([-1, NaN, 2, 99].map((offset) => index.toUtf16(offset))).toEqual([0, 0, 3, 3]);
  });
});

function segmentsOf(text: string, ...spans: [string, number, number][]) {
  const list: Span[] = spans.map(([claimId, start, end]) => ({ claimId, start, end }));
  return segmentText(text, new CodePointIndex(text), list).flat();
}

/** The text that a claim's segments join to: it has to be the quote. */
function markedText(segments: ReturnType<typeof segmentsOf>, claimId: string): string {
  return segments.filter((segment) => segment.claimIds.includes(claimId)).map((segment) => segment.text).join('');
}

describe('segmentText', () => {
  it('leaves a text without evidence whole', () => {
    expect(segmentsOf('深析')).toEqual([{ text: '深析', claimIds: [], endingClaimIds: [] }]);
    expect(segmentsOf('')).toEqual([]);
  });

  it('cuts at code points, not inside an emoji', () => {
    const segments = segmentsOf('a😀b😀c', ['x', 1, 2], ['y', 3, 5]);
    expect(segments.map((segment) => segment.text)).toEqual(['a', '😀', 'b', '😀c']);
    expect(markedText(segments, 'y')).toBe('😀c');
  });

  it('keeps overlapping, nested, equal and touching evidence apart', () => {
    const text = '甲乙丙丁😀戊己庚';
    const spans: [string, number, number][] = [
      ['a', 0, 4], ['b', 2, 6], ['c', 3, 5], ['d', 2, 6], ['e', 6, 8],
    ];
    const segments = segmentsOf(text, ...spans);
    expect(segments.map((segment) => segment.text).join('')).toBe(text);
    for (const [id, start, end] of spans) {
      expect(markedText(segments, id)).toBe([...text].slice(start, end).join(''));
      expect(segments.filter((segment) => segment.endingClaimIds.includes(id))).toHaveLength(1);
    }
    expect(segments.find((segment) => segment.text === '丁')?.claimIds).toEqual(['a', 'b', 'c', 'd']);
  });

  it('cuts a long text into chunks at line ends, through evidence too', () => {
    const text = `${'甲'.repeat(20_000)}\n${'乙\n'.repeat(20_000)}${'丙'.repeat(40_000)}`;
    const ends = chunkEnds(text);
    expect(ends.length).toBeGreaterThan(2);
    expect(ends.slice(0, -1).every((end) => text[end - 1] === '\n')).toBe(true);
    const spans = [{ claimId: 'a', start: 19_990, end: 20_010 }, { claimId: 'b', start: 0, end: text.length }];
    const chunks = segmentText(text, new CodePointIndex(text), spans, ends);
    expect(chunks).toHaveLength(ends.length);
    expect(chunks.flat().map((segment) => segment.text).join('')).toBe(text);
    expect(markedText(chunks.flat(), 'a')).toBe(text.slice(19_990, 20_010));
    expect(chunks.flat().filter((segment) => segment.endingClaimIds.includes('b'))).toHaveLength(1);
    expect(chunkEnds('short\ntext')).toEqual([10]);
    expect(chunkEnds('')).toEqual([0]);
  });

  it('drops empty, reversed and outside spans', () => {
    const segments = segmentsOf('abc', ['a', 1, 1], ['b', 2, 1], ['c', 7, 9]);
    expect(segments).toEqual([{ text: 'abc', claimIds: [], endingClaimIds: [] }]);
  });
});

describe('files', () => {
  const bytesOf = (text: string) => new TextEncoder().encode(text);
  const file = (name: string, bytes: Uint8Array<ArrayBuffer>, size = bytes.length) => ({
    name, size, arrayBuffer: () => Promise.resolve(bytes.buffer),
  });

  it('decodes UTF-8, drops the byte order mark, makes line ends LF', () => {
    expect(decodeText(bytesOf('\uFEFF深析\r\n😀\rx\n'))).toBe('深析\n😀\nx\n');
  });

  it('refuses what is not UTF-8', async () => {
    const gb18030 = new Uint8Array([0xc9, 0xee, 0xce, 0xf6]);
    await expect(readTextFile(file('a.txt', gb18030))).rejects.toMatchObject({ problem: 'file_encoding' });
  });

  it('refuses other kinds, too large files and unreadable ones', async () => {
    await expect(readTextFile(file('a.pdf', bytesOf('x')))).rejects.toMatchObject({ problem: 'file_kind' });
    await expect(readTextFile(file('a.md', bytesOf('x'), kMaxFileBytes + 1))).rejects.toMatchObject({ problem: 'file_size' });
    const unreadable = { name: 'a.txt', size: 0, arrayBuffer: () => Promise.reject(new Error('gone')) };
    await expect(readTextFile(unreadable)).rejects.toBeInstanceOf(FileError);
  });

  it('reads .txt and .md of any case, up to the limit', async () => {
    expect(await readTextFile(file('A.TXT', bytesOf('深')))).toBe('深');
    expect(await readTextFile(file('notes.v2.md', bytesOf('x'), kMaxFileBytes))).toBe('x');
  });
});

describe('guessLanguage', () => {
  it.each([
    ['2024年Q2国内新能源汽车销量达182.3万辆', 'zh'],
    ['CLTC续航达成率超85%，同比增长', 'zh'],
    ['Revenue rose; 比亚迪 was named once in the report.', 'en'],
    ['', 'en'],
  ])('%j is %s', (text, language) => {
    expect(guessLanguage(text)).toBe(language);
  });
});
