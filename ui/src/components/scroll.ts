import { useCallback, useLayoutEffect, useRef, type RefObject } from 'react';

const kMarginPx = 24;
const kFollowSlackPx = 48;
const kJumpFrames = 8;

function motion(): ScrollBehavior {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
}

/** Scrolls only this container, and only if needed: scrollIntoView would move the page under the pointer too. */
export function revealIn(container: HTMLElement, target: Element): void {
  if (container.scrollHeight <= container.clientHeight) return revealInPage(target);
  const offset = missingOffset(container, target);
  if (offset === 0) return;
  if (Math.abs(offset) < 2 * container.clientHeight) {
    container.scrollTo({ top: container.scrollTop + offset, behavior: motion() });
  } else {
    jumpTo(container, target, kJumpFrames);
  }
}

/** How far to scroll for a comfortable view; zero if the target is in view. A long quote counts from its first line. */
function missingOffset(container: HTMLElement, target: Element): number {
  const frame = container.getBoundingClientRect();
  const box = target.getClientRects()[0] ?? target.getBoundingClientRect();
  if (box.top >= frame.top + kMarginPx && box.bottom <= frame.bottom - kMarginPx) return 0;
  return box.top - frame.top - (frame.height - box.height) / 3;
}

/**
 * A long way is jumped: thousands of lines that fly past help nobody. Chunks of a text that were never drawn have
 * estimated heights, so the target may move while its surroundings are drawn: it is followed for some frames.
 */
function jumpTo(container: HTMLElement, target: Element, frames: number): void {
  if (frames === 0 || !target.matches('[data-active]')) return;
  const offset = missingOffset(container, target);
  if (offset !== 0) container.scrollTo({ top: container.scrollTop + offset, behavior: 'instant' });
  requestAnimationFrame(() => jumpTo(container, target, frames - 1));
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
