import { memo, useEffect, useMemo, useRef, type SyntheticEvent } from 'react';
import { languageTag, useTranslate } from '../i18n';
import { spansOf, type Claim, type Claims } from '../report/claims';
import type { Highlight } from '../state/useHighlight';
import { CodePointIndex } from '../text/codePoints';
import { guessLanguage } from '../text/script';
import { chunkEnds, segmentText, type Segment } from '../text/segments';
import { revealIn } from './scroll';

interface Props {
  text: string;
  claims: Claims;
  highlight: Highlight;
}

/** The analysed text, read-only, with the evidence of every claim marked. */
export function MarkedText({ text, claims, highlight }: Props) {
  const t = useTranslate();
  const container = useRef<HTMLDivElement>(null);
  const index = useMemo(() => new CodePointIndex(text), [text]);
  // A new claims object comes with every event; the text is cut anew only when a span has changed.
  const spans = spansOf(claims);
  const spansKey = JSON.stringify(spans);
  const ends = useMemo(() => chunkEnds(text), [text]);
  const chunks = useMemo(() => segmentText(text, index, spans, ends), [text, index, spansKey, ends]);
  const byId = useMemo(() => new Map(claims.all.map((claim) => [claim.id, claim])), [spansKey]);
  const { activeIds, source, hover, pin } = highlight;

  useEffect(() => {
    if (source !== 'report' || activeIds.length === 0) return;
    const mark = container.current?.querySelector('mark[data-active]');
    if (mark) revealIn(container.current!, mark);
  }, [activeIds, source, chunks]);

  const claimIdsAt = (event: SyntheticEvent) =>
    (event.target as Element).closest('mark')?.dataset.claims?.split(' ') ?? [];

  return (
    <div
      ref={container}
      className="text-body marked-text"
      data-testid="marked-text"
      role="region"
      aria-label={t('text_marked_label')}
      tabIndex={0}
      lang={languageTag(guessLanguage(text))}
      translate="no"
      onPointerMove={(event) => hover('text', claimIdsAt(event))}
      onPointerLeave={() => hover('text', [])}
      onClick={(event) => pin('text', claimIdsAt(event))}
    >
      {chunks.map((segments, i) => (
        <Chunk key={i} segments={segments} byId={byId} activeIds={activeIdsIn(segments, activeIds)} />
      ))}
    </div>
  );
}

interface ChunkProps {
  segments: readonly Segment[];
  byId: ReadonlyMap<string, Claim>;
  /** Joined by spaces: a plain string is quick to compare. */
  activeIds: string;
}

function activeIdsIn(segments: readonly Segment[], activeIds: readonly string[]): string {
  return activeIds.filter((id) => segments.some((segment) => segment.claimIds.includes(id))).join(' ');
}

/** A long text has many chunks; while the report grows only those with new evidence are drawn again. */
function isSameChunk(before: ChunkProps, after: ChunkProps): boolean {
  return (
    before.activeIds === after.activeIds &&
    before.segments.length === after.segments.length &&
    before.segments.every((segment, i) => {
      const other = after.segments[i]!;
      return segment.text === other.text && segment.claimIds.join() === other.claimIds.join();
    })
  );
}

const Chunk = memo(function Chunk({ segments, byId, activeIds }: ChunkProps) {
  const active = activeIds.split(' ');
  return (
    <div className="text-chunk">
      {segments.map((segment, i) => {
        if (segment.claimIds.length === 0) return segment.text;
        const activeId = segment.claimIds.find((id) => active.includes(id));
        return (
          <mark
            key={i}
            // Where claims of several parts meet, the one in the light lends its colour.
            className={`mark mark-${byId.get(activeId ?? segment.claimIds[0]!)?.part}`}
            data-claims={segment.claimIds.join(' ')}
            data-active={activeId !== undefined || undefined}
            data-references={segment.endingClaimIds.map((id) => byId.get(id)?.number).join(',') || undefined}
          >
            {segment.text}
          </mark>
        );
      })}
    </div>
  );
}, isSameChunk);
