import { useCallback, useMemo, useState } from 'react';

/** Where the pointer or the focus is decides which side is scrolled to the other. */
export type HighlightSource = 'report' | 'text';

export interface Highlight {
  activeIds: readonly string[];
  source: HighlightSource;
  hover: (source: HighlightSource, ids: readonly string[]) => void;
  focus: (id: string | null) => void;
}

const kNone: readonly string[] = [];

/** The claims in the light: those under the pointer, else the one that has the keyboard's focus. */
export function useHighlight(): Highlight {
  const [hovered, setHovered] = useState<{ source: HighlightSource; ids: readonly string[] } | null>(null);
  const [focused, setFocused] = useState<string | null>(null);

  const hover = useCallback((source: HighlightSource, ids: readonly string[]) => {
    setHovered((before) => {
      if (ids.length === 0) return null;
      const same = before?.source === source && before.ids.join() === ids.join();
      return same ? before : { source, ids };
    });
  }, []);

  return useMemo(
    () => ({
      activeIds: hovered?.ids ?? (focused === null ? kNone : [focused]),
      source: hovered?.source ?? 'report',
      hover,
      focus: setFocused,
    }),
    [hovered, focused, hover],
  );
}
