import type { CodePointIndex } from './codePoints';

/** A claim's evidence, in code points of the analysed text. */
export interface Span {
  claimId: string;
  start: number;
  end: number;
}

/** A run of text that the same claims cite; segments in order join to the whole text. */
export interface Segment {
  text: string;
  claimIds: string[];
  /** Claims whose evidence ends with this segment: their reference numbers stand here. */
  endingClaimIds: string[];
}

/** Spans may overlap and nest. Empty ones and ones outside of the text are dropped. */
export function segmentText(text: string, index: CodePointIndex, spans: readonly Span[]): Segment[] {
  const ranges = spans
    .map((span) => ({ claimId: span.claimId, from: index.toUtf16(span.start), to: index.toUtf16(span.end) }))
    .filter((range) => range.from < range.to);
  const cuts = new Set<number>([0, text.length]);
  for (const range of ranges) {
    cuts.add(range.from);
    cuts.add(range.to);
  }
  const sorted = [...cuts].sort((a, b) => a - b);
  const segments: Segment[] = [];
  for (let i = 0; i + 1 < sorted.length; i++) {
    const from = sorted[i]!;
    const to = sorted[i + 1]!;
    const covering = ranges.filter((range) => range.from <= from && to <= range.to);
    segments.push({
      text: text.slice(from, to),
      claimIds: covering.map((range) => range.claimId),
      endingClaimIds: covering.filter((range) => range.to === to).map((range) => range.claimId),
    });
  }
  return segments;
}
