import type { CodePointIndex } from './codePoints';

/** A claim's evidence, in code points of the analysed text. */
export interface Span {
  claimId: string;
  start: number;
  end: number;
}

/** A run of text that the same claims cite; in order they join to the whole text. */
export interface Segment {
  text: string;
  claimIds: string[];
  /** Claims whose evidence ends with this segment: their reference numbers stand here. */
  endingClaimIds: string[];
}

const kChunkUnits = 4096;

/** Ends of the chunks a long text is drawn in; a chunk ends with a line, so that the cut cannot be seen. */
export function chunkEnds(text: string): number[] {
  const ends: number[] = [];
  for (let from = 0; text.length - from > kChunkUnits; ) {
    const lineEnd = text.indexOf('\n', from + kChunkUnits - 1);
    if (lineEnd < 0 || lineEnd + 1 === text.length) break;
    from = lineEnd + 1;
    ends.push(from);
  }
  ends.push(text.length);
  return ends;
}

/** The segments of each chunk. Spans may overlap and nest; empty ones and ones outside of the text are dropped. */
export function segmentText(
  text: string,
  index: CodePointIndex,
  spans: readonly Span[],
  ends: readonly number[] = [text.length],
): Segment[][] {
  const ranges = spans
    .map((span) => ({ claimId: span.claimId, from: index.toUtf16(span.start), to: index.toUtf16(span.end) }))
    .filter((range) => range.from < range.to);
  const cuts = new Set<number>([0, ...ends]);
  for (const range of ranges) {
    cuts.add(range.from);
    cuts.add(range.to);
  }
  const sorted = [...cuts].sort((a, b) => a - b);
  const chunks: Segment[][] = [[]];
  for (let i = 0; i + 1 < sorted.length; i++) {
    const from = sorted[i]!;
    const to = sorted[i + 1]!;
    const covering = ranges.filter((range) => range.from <= from && to <= range.to);
    chunks.at(-1)!.push({
      text: text.slice(from, to),
      claimIds: covering.map((range) => range.claimId),
      endingClaimIds: covering.filter((range) => range.to === to).map((range) => range.claimId),
    });
    if (to !== text.length && ends.includes(to)) chunks.push([]);
  }
  return chunks;
}
