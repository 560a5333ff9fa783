import { useCallback, useEffect, useReducer, useRef } from 'react';
import { cancelAnalysis, ServerError, startAnalysis, streamEvents } from '../api/client';
import type { AnalyzeRequest } from '../api/types';
import { analysisReducer, kInitialState, type AnalysisError, type AnalysisState } from './analysis';

/** How long the server may take to confirm a cancellation before the page closes the stream itself. */
const kCancelGraceMs = 2000;

interface Run {
  abort: AbortController;
  taskId: string | null;
  stopWanted: boolean;
}

export interface Analysis {
  state: AnalysisState;
  start: (request: AnalyzeRequest) => void;
  stop: () => void;
  clear: () => void;
}

export function useAnalysis(): Analysis {
  const [state, dispatch] = useReducer(analysisReducer, kInitialState);
  const run = useRef<Run | null>(null);

  const start = useCallback((request: AnalyzeRequest) => {
    if (run.current) return;
    const mine: Run = { abort: new AbortController(), taskId: null, stopWanted: false };
    run.current = mine;
    dispatch({ type: 'start', text: request.text });
    void (async () => {
      try {
        mine.taskId = await startAnalysis(request);
        // Stopped while the request was on its way: only now is there an id to cancel.
        if (mine.stopWanted) requestStop(mine);
        for await (const event of streamEvents(mine.taskId, mine.abort.signal)) dispatch({ type: 'event', event });
        // No effect if a final event has arrived.
        dispatch({ type: 'failed', error: { from: 'page', kind: 'stream_ended' } });
      } catch (error) {
        dispatch(mine.stopWanted ? { type: 'stopped' } : { type: 'failed', error: toAnalysisError(error) });
      } finally {
        if (run.current === mine) run.current = null;
      }
    })();
  }, []);

  const stop = useCallback(() => {
    const mine = run.current;
    if (!mine || mine.stopWanted) return;
    mine.stopWanted = true;
    dispatch({ type: 'stop' });
    requestStop(mine);
  }, []);

  const clear = useCallback(() => {
    if (!run.current) dispatch({ type: 'clear' });
  }, []);

  // Leaving the page closes the stream, and that cancels the work.
  useEffect(() => () => run.current?.abort.abort(), []);

  return { state, start, stop, clear };
}

function requestStop(run: Run): void {
  if (run.taskId === null) return;
  const closeStream = () => run.abort.abort();
  cancelAnalysis(run.taskId).catch(closeStream);
  setTimeout(closeStream, kCancelGraceMs);
}

function toAnalysisError(error: unknown): AnalysisError {
  return error instanceof ServerError
    ? { from: 'server', message: error.message }
    : { from: 'page', kind: 'connection' };
}
