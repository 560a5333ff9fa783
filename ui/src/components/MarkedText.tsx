import { memo, useEffect, useMemo, useRef, type SyntheticEvent } from 'react';
import { languageTag, useTranslate } from '../i18n';
import { spansOf, type Claim, type Claims } from '../report/claims';
import type { Highlight } from '../state/useHighlight';
import { CodePointIndex } from '../text/codePoints';
import { guessLanguage } from '../text/script';
import { segmentText, type Segment } from '../text/segments';
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
  const segments = useMemo(() => segmentText(text, index, spans), [text, index, spansKey]);
  const byId = useMemo(() => new Map(claims.all.map((claim) => [claim.id, claim])), [spansKey]);
  const { activeIds, source, hover, pin } = highlight;

  useEffect(() => {
    if (source !== 'report' || activeIds.length === 0) return;
    const mark = container.current?.querySelector('mark[data-active]');
    if (mark) revealIn(container.current!, mark);
  }, [activeIds, source, segments]);

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
      <Segments segments={segments} byId={byId} activeIds={activeIds} />
    </div>
  );
}

const Segments = memo(function Segments(props: {
  segments: Segment[];
  byId: ReadonlyMap<string, Claim>;
  activeIds: readonly string[];
}) {
  return props.segments.map((segment, i) => {
    if (segment.claimIds.length === 0) return segment.text;
    const activeId = segment.claimIds.find((id) => props.activeIds.includes(id));
    return (
      <mark
        key={i}
        // Where claims of several parts meet, the one in the light lends its colour.
        className={`mark mark-${props.byId.get(activeId ?? segment.claimIds[0]!)?.part}`}
        data-claims={segment.claimIds.join(' ')}
        data-active={activeId !== undefined || undefined}
        data-references={segment.endingClaimIds.map((id) => props.byId.get(id)?.number).join(',') || undefined}
      >
        {segment.text}
      </mark>
    );
  });
});
