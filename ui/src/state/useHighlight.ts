import { useCallback, useMemo, useState } from 'react';

/** Where the pointer or the focus is decides which side is scrolled to the other. */
export type HighlightSource = 'report' | 'text';

export interface Highlight {
  activeIds: readonly string[];
  source: HighlightSource;
  /** Follows the pointer; an empty list when it leaves. */
  hover: (source: HighlightSource, ids: readonly string[]) => void;
  /** Stays when the pointer leaves: for the keyboard's focus, for clicks and for touch. */
  pin: (source: HighlightSource, ids: readonly string[]) => void;
}

interface Lit {
  source: HighlightSource;
  ids: readonly string[];
}

const kNone: Lit = { source: 'report', ids: [] };

function replace(before: Lit, source: HighlightSource, ids: readonly string[]): Lit {
  return before.source === source && before.ids.join() === ids.join() ? before : { source, ids };
}

/** The claims in the light: those under the pointer, else those last focused or clicked. */
export function useHighlight(): Highlight {
  const [hovered, setHovered] = useState(kNone);
  const [pinned, setPinned] = useState(kNone);

  const hover = useCallback((source: HighlightSource, ids: readonly string[]) => {
    setHovered((before) => replace(before, source, ids));
  }, []);

  const pin = useCallback((source: HighlightSource, ids: readonly string[]) => {
    // The latest deed counts: a pointer that merely rests somewhere must not hide where the keyboard is.
    if (ids.length > 0) setHovered(kNone);
    setPinned((before) => replace(before, source, ids));
  }, []);

  return useMemo(() => {
    const { ids, source } = hovered.ids.length > 0 ? hovered : pinned;
    return { activeIds: ids, source, hover, pin };
  }, [hovered, pinned, hover, pin]);
}
