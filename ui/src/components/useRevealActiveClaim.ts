import { useEffect, type RefObject } from 'react';
import type { Highlight } from '../state/useHighlight';
import { revealIn } from './scroll';

/** A mark under the pointer brings its claim into view. */
export function useRevealActiveClaim(container: RefObject<HTMLElement | null>, highlight: Highlight): void {
  const { activeIds, source } = highlight;
  useEffect(() => {
    if (source !== 'text' || activeIds.length === 0) return;
    const claim = container.current?.querySelector('[data-claim][data-active]');
    if (claim) revealIn(container.current!, claim);
  }, [container, activeIds, source]);
}
