import type { AnalysisResult } from '../api/types';

export type ExportFormat = 'markdown' | 'json';

const kFiles = {
  markdown: { suffix: 'md', type: 'text/markdown;charset=utf-8' },
  json: { suffix: 'json', type: 'application/json' },
} as const;

/** Markdown is the server's report as it is; JSON is the result in the API's own shape. */
export function exportContent(format: ExportFormat, report: string, result: AnalysisResult | null): string {
  const content = format === 'markdown' ? report : JSON.stringify(result ?? {}, null, 2);
  return content.endsWith('\n') ? content : `${content}\n`;
}

/** Named by local time, never by the text: file names end up in places the text must not. */
export function exportFileName(format: ExportFormat, now: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${now.getFullYear()}${two(now.getMonth() + 1)}${two(now.getDate())}`;
  const time = `${two(now.getHours())}${two(now.getMinutes())}${two(now.getSeconds())}`;
  return `deepanalyze-${day}-${time}.${kFiles[format].suffix}`;
}

export function download(format: ExportFormat, content: string, now = new Date()): void {
  const url = URL.createObjectURL(new Blob([content], { type: kFiles[format].type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = exportFileName(format, now);
  link.click();
  // The browser has taken the blob over by the next task.
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** False if the browser refuses. */
export async function copyToClipboard(content: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(content);
    return true;
  } catch {
    // No clipboard API over plain HTTP on a LAN, or where the server's Permissions-Policy denies it.
    return copyThroughSelection(content);
  }
}

function copyThroughSelection(content: string): boolean {
  const before = document.activeElement;
  const area = document.createElement('textarea');
  area.className = 'copy-source';
  area.value = content;
  area.readOnly = true;
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  if (before instanceof HTMLElement) before.focus();
  return copied;
}
