import english from '../../samples/earnings-en.txt?raw';
import chinese from '../../samples/nev-2024q2.txt?raw';
import type { UiLanguage } from './state/preferences';
import { normalizeLineEnds } from './text/files';

export const kSamples: Record<UiLanguage, string> = {
  zh: normalizeLineEnds(chinese).trimEnd(),
  en: normalizeLineEnds(english).trimEnd(),
};
