import type { KeyboardEvent, MouseEvent } from 'react';
import { useTranslate } from '../i18n';
import type { Claim } from '../report/claims';
import type { Highlight } from '../state/useHighlight';

/** What a claim needs to light up its evidence and to be lit up by it. */
export interface ClaimLink {
  highlight: Highlight;
  /** Brings the evidence on the screen even if the text is being edited. */
  onShow: (claimId: string) => void;
}

/** The attributes of the element that is the claim: pointer and focus anywhere in it count. */
export function claimAttributes(claim: Claim, { highlight, onShow }: ClaimLink) {
  return {
    'data-claim': claim.id,
    'data-part': claim.part,
    'data-active': highlight.activeIds.includes(claim.id) || undefined,
    // Moves, not enters: a claim that is scrolled under a resting pointer was not pointed at.
    onPointerMove: () => highlight.hover('report', [claim.id]),
    onPointerLeave: () => highlight.hover('report', []),
    onFocus: () => highlight.pin('report', [claim.id]),
    onBlur: () => highlight.pin('report', []),
    onClick: (event: MouseEvent<HTMLElement>) => {
      // Someone who selects words to copy them does not want the focus to move.
      if (window.getSelection()?.isCollapsed === false) return;
      event.currentTarget.querySelector<HTMLButtonElement>('.reference')?.focus({ preventScroll: true });
      onShow(claim.id);
    },
  };
}

/** The reference number: the claim's stop for the keyboard. Arrow keys walk through all claims of the report. */
export function Reference({ claim }: { claim: Claim }) {
  const t = useTranslate();
  const { number, evidence } = claim;
  return (
    <button
      type="button"
      className="reference"
      aria-label={
        evidence?.quote ? t('evidence_label', { number, quote: evidence.quote }) : t('evidence_pending', { number })
      }
      onKeyDown={walkClaims}
    >
      {number}
    </button>
  );
}

function walkClaims(event: KeyboardEvent<HTMLButtonElement>): void {
  const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
  if (step === 0) return;
  const all = [...document.querySelectorAll<HTMLButtonElement>('.report-body .reference')];
  const next = all[all.indexOf(event.currentTarget) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
}

/** Quotation marks are drawn by the style sheet: the element's text is the quote, word for word. */
export function Quote({ claim }: { claim: Claim }) {
  if (!claim.evidence?.quote) return null;
  return (
    <blockquote className="quote" data-testid="quote" translate="no">
      {claim.evidence.quote}
    </blockquote>
  );
}
