// What the kernel says of processes' memory, and straight lines through it.
import { readFileSync, readdirSync } from 'node:fs';

export const childrenOf = (pid) => readdirSync(`/proc/${pid}/task`).flatMap((task) => {
  try {
    return readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];   // a thread that has just ended
  }
});

// Resident anonymous memory; 0 of one that has ended.
export const anonymousKb = (pid) => {
  try {
    return Number(/^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
  } catch {
    return 0;
  }
};

// What the C library keeps at least for one allocation. One request in sixteen that leaves one behind makes two bytes a
// request: more than that is growth, less cannot be told from pages that fill by and by.
export const leastLeftBytes = 32, forgivenBytes = leastLeftBytes / 16;

// Means of twenty spans of the points: what is near in time is near in value too, and would feign precision.
export function means(points) {
  const n = Math.max(1, Math.floor(points.length / 20)), spans = [];
  for (let i = 0; i + n <= points.length; i += n) {
    const span = points.slice(i, i + n), mean = (key) => span.reduce((sum, point) => sum + point[key], 0) / n;
    spans.push({ x: mean('x'), y: mean('y') });
  }
  return spans;
}

// Least squares through points {x, y}: slope, and its standard error.
export function slope(points) {
  const n = points.length, mx = points.reduce((s, p) => s + p.x, 0) / n, my = points.reduce((s, p) => s + p.y, 0) / n;
  const sxx = points.reduce((s, p) => s + (p.x - mx) ** 2, 0), b = points.reduce((s, p) => s + (p.x - mx) * (p.y - my), 0) / sxx;
  const rest = points.reduce((s, p) => s + (p.y - my - b * (p.x - mx)) ** 2, 0);
  return { slope: b, error: Math.sqrt(rest / Math.max(n - 2, 1) / sxx), mean: my };
}
