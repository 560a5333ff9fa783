import type { ReportLanguage } from '../api/types';

/** Picks fonts and quotation marks for a text before the server has said what language it is in. */
export function guessLanguage(text: string): ReportLanguage {
  const head = text.slice(0, 2000);
  const han = head.match(/\p{Script=Han}/gu)?.length ?? 0;
  const latin = head.match(/\p{Script=Latin}/gu)?.length ?? 0;
  // A Han character carries about as much as three Latin letters.
  return han * 3 > latin ? 'zh' : 'en';
}
