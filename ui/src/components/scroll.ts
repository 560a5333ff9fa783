import { useCallback, useLayoutEffect, useRef, type RefObject } from 'react';

const kMarginPx = 24;
const kFollowSlackPx = 48;

function motion(): ScrollBehavior {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
}

/** Scrolls only this container, and only if needed: scrollIntoView would move the page under the pointer too. */
export function revealIn(container: HTMLElement, target: Element): void {
  if (container.scrollHeight <= container.clientHeight) return revealInPage(target);
  const frame = container.getBoundingClientRect();
  // A long quote is shown from its first line.
  const box = target.getClientRects()[0] ?? target.getBoundingClientRect();
  if (box.top >= frame.top + kMarginPx && box.bottom <= frame.bottom - kMarginPx) return;
  const offset = box.top - frame.top - (frame.height - box.height) / 3;
  container.scrollTo({ top: container.scrollTop + offset, behavior: motion() });
}

/** In the narrow layout the page itself scrolls, and the analysed text covers its top. */
function revealInPage(target: Element): void {
  const box = target.getBoundingClientRect();
  if (box.top >= 0 && box.bottom <= window.innerHeight) return;
  target.scrollIntoView({ block: 'center', behavior: motion() });
}

/** Keeps the end in view while it grows, until the user scrolls up. */
export function useFollowEnd(container: RefObject<HTMLElement | null>, growth: unknown, enabled: boolean) {
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    const element = container.current;
    if (enabled && atEnd.current && element) element.scrollTop = element.scrollHeight;
  }, [container, growth, enabled]);
  return useCallback(() => {
    const element = container.current;
    if (element) atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < kFollowSlackPx;
  }, [container]);
}
