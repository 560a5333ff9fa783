import type { AnalysisResult, Stats, StreamEvent } from '../api/types';

export type Phase =
  | 'idle'
  | 'submitting'
  | 'queued'
  | 'loading'
  | 'reading'
  | 'writing'
  | 'complete'
  | 'error'
  | 'cancelled';

/** Local problems are translated; the server's messages are shown as they came. */
export type AnalysisError = { from: 'server'; message: string } | { from: 'page'; kind: 'connection' | 'stream_ended' };

export interface AnalysisState {
  phase: Phase;
  /** True from the stop button until the run has really ended. */
  stopping: boolean;
  /** The text the evidence offsets refer to; null before the first run. */
  analysedText: string | null;
  queuePosition: number | null;
  loading: { model: string; bytesDone: number; bytesTotal: number } | null;
  reading: { tokensDone: number; tokensTotal: number } | null;
  report: string;
  result: AnalysisResult | null;
  stats: Stats | null;
  warnings: string[];
  error: AnalysisError | null;
}

export type AnalysisAction =
  | { type: 'start'; text: string }
  | { type: 'event'; event: StreamEvent }
  | { type: 'stop' }
  | { type: 'stopped' }
  | { type: 'failed'; error: AnalysisError }
  | { type: 'clear' };

export const kInitialState: AnalysisState = {
  phase: 'idle',
  stopping: false,
  analysedText: null,
  queuePosition: null,
  loading: null,
  reading: null,
  report: '',
  result: null,
  stats: null,
  warnings: [],
  error: null,
};

export function isRunning(phase: Phase): boolean {
  return phase !== 'idle' && !isSettled(phase);
}

export function isSettled(phase: Phase): boolean {
  return phase === 'complete' || phase === 'error' || phase === 'cancelled';
}

/** Pure. What arrives after a run has ended is ignored. */
export function analysisReducer(state: AnalysisState, action: AnalysisAction): AnalysisState {
  switch (action.type) {
    case 'start':
      return { ...kInitialState, phase: 'submitting', analysedText: action.text };
    case 'clear':
      return kInitialState;
    case 'stop':
      return isRunning(state.phase) ? { ...state, stopping: true } : state;
    case 'stopped':
      return isRunning(state.phase) ? { ...state, phase: 'cancelled', stopping: false } : state;
    case 'failed':
      return isRunning(state.phase) ? { ...state, phase: 'error', stopping: false, error: action.error } : state;
    case 'event':
      return isRunning(state.phase) ? applyEvent(state, action.event) : state;
  }
}

function applyEvent(state: AnalysisState, event: StreamEvent): AnalysisState {
  switch (event.status) {
    case 'queued':
      return { ...state, phase: 'queued', queuePosition: event.position ?? null };
    case 'loading':
      return {
        ...state,
        phase: 'loading',
        loading: { model: event.model ?? '', bytesDone: event.bytes_done ?? 0, bytesTotal: event.bytes_total ?? 0 },
      };
    case 'reading':
      return {
        ...state,
        phase: 'reading',
        reading: { tokensDone: event.tokens_done ?? 0, tokensTotal: event.tokens_total ?? 0 },
      };
    case 'writing':
      return {
        ...state,
        phase: 'writing',
        report: event.report ?? state.report,
        result: event.result ?? state.result,
        stats: {
          generated_tokens: event.generated_tokens,
          tokens_per_second: event.tokens_per_second,
          time_to_first_token_ms: event.time_to_first_token_ms,
        },
      };
    case 'complete':
      return {
        ...state,
        phase: 'complete',
        stopping: false,
        report: event.report ?? state.report,
        result: event.result ?? state.result,
        stats: event.stats ?? state.stats,
        warnings: event.warnings ?? [],
      };
    case 'error':
      return { ...state, phase: 'error', stopping: false, error: { from: 'server', message: event.error ?? '' } };
    case 'cancelled':
      return { ...state, phase: 'cancelled', stopping: false };
  }
}
