// Digits are grouped the same way in both languages, so one format serves.
const kInteger = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export function formatInteger(value: number): string {
  return kInteger.format(value);
}

export function formatRate(value: number): string {
  return value < 100 ? value.toFixed(1) : formatInteger(value);
}

export function formatMilliseconds(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

export function formatBytes(bytes: number): string {
  const mebibyte = 1024 * 1024;
  return bytes < 1024 * mebibyte
    ? `${(bytes / mebibyte).toFixed(bytes < 10 * mebibyte ? 1 : 0)} MiB`
    : `${(bytes / (1024 * mebibyte)).toFixed(1)} GiB`;
}
