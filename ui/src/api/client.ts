import { SseParser } from './sse';
import type { AnalyzeRequest, StreamEvent } from './types';

/** The server's own words, to be shown as they are. */
export class ServerError extends Error {}

/** Nothing came back: the server is gone or the connection broke. */
export class ConnectionError extends Error {}

async function request(path: string, init?: RequestInit): Promise<Response> {
  let response: Response;
  try {
    // Relative paths keep the page working behind a sub-path.
    response = await fetch(path, { cache: 'no-store', ...init });
  } catch (cause) {
    if (init?.signal?.aborted) throw cause;
    throw new ConnectionError('no answer', { cause });
  }
  if (!response.ok) throw new ServerError(await errorMessage(response));
  return response;
}

/** Ours and Ollama's errors are {"error": string}; OpenAI's nest it; a proxy may answer with plain text. */
async function errorMessage(response: Response): Promise<string> {
  const fallback = `HTTP ${response.status}${response.statusText ? ` ${response.statusText}` : ''}`;
  const body = await response.text().catch(() => '');
  try {
    const error: unknown = (JSON.parse(body) as { error?: unknown }).error;
    if (typeof error === 'string' && error !== '') return error;
    const nested = (error as { message?: unknown } | undefined)?.message;
    if (typeof nested === 'string' && nested !== '') return nested;
  } catch {
    if (body !== '' && body.length < 500 && !body.trimStart().startsWith('<')) return body;
  }
  return fallback;
}

export async function listModels(): Promise<string[]> {
  const body = (await (await request('api/tags')).json()) as { models?: { name?: string }[] };
  return (body.models ?? []).flatMap((model) => (model.name ? [model.name] : []));
}

export async function serverVersion(): Promise<string> {
  const body = (await (await request('api/version')).json()) as { version?: string };
  return body.version ?? '';
}

/** Returns the task's id. */
export async function startAnalysis(body: AnalyzeRequest): Promise<string> {
  const response = await request('api/analyze', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
  const id = ((await response.json()) as { task_id?: unknown }).task_id;
  if (typeof id !== 'string' || id === '') throw new ConnectionError('no task_id in the answer');
  return id;
}

/** `keepalive` lets the request outlive the page, for the case that the user closes it. */
export async function cancelAnalysis(taskId: string): Promise<void> {
  await request(`api/analyze/${encodeURIComponent(taskId)}`, { method: 'DELETE', keepalive: true });
}

const kStatuses = new Set(['queued', 'loading', 'reading', 'writing', 'complete', 'error', 'cancelled']);

/** Null for what this page does not know: a newer server may send more kinds of events. */
export function parseStreamEvent(data: string): StreamEvent | null {
  try {
    const event: unknown = JSON.parse(data);
    if (typeof event !== 'object' || event === null) return null;
    const { status } = event as { status?: unknown };
    return typeof status === 'string' && kStatuses.has(status) ? (event as StreamEvent) : null;
  } catch {
    return null;
  }
}

/** Ends when the server closes the stream; aborting the signal closes it from this side. */
export async function* streamEvents(taskId: string, signal: AbortSignal): AsyncGenerator<StreamEvent> {
  const response = await request(`api/stream?task_id=${encodeURIComponent(taskId)}`, {
    headers: { Accept: 'text/event-stream' },
    signal,
  });
  if (!response.body) throw new ConnectionError('an answer without a body');
  const parser = new SseParser();
  const decoder = new TextDecoder();
  const reader = response.body.getReader();
  try {
    for (;;) {
      let chunk: ReadableStreamReadResult<Uint8Array>;
      try {
        chunk = await reader.read();
      } catch (cause) {
        if (signal.aborted) throw cause;
        throw new ConnectionError('the stream broke', { cause });
      }
      if (chunk.done) return;
      // One network chunk often carries several snapshots of the report; only the last of a run is worth drawing.
      yield* latestOfEachRun(parser.push(decoder.decode(chunk.value, { stream: true })).map(parseStreamEvent));
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}

export function latestOfEachRun(events: (StreamEvent | null)[]): StreamEvent[] {
  const known = events.filter((event) => event !== null);
  return known.filter((event, i) => known[i + 1]?.status !== event.status);
}
