import { describe, expect, it } from 'vitest';
import type { StreamEvent } from '../../src/api/types';
import { analysisReducer, isRunning, isSettled, kInitialState, type AnalysisState } from '../../src/state/analysis';

const started = analysisReducer(kInitialState, { type: 'start', text: '文本' });

function after(...events: StreamEvent[]): AnalysisState {
  return events.reduce<AnalysisState>((state, event) => analysisReducer(state, { type: 'event', event }), started);
}

const kWriting: StreamEvent = {
  status: 'writing',
  report: '## 核心观点',
  result: { language: 'zh', core_viewpoints: [{ statement: '甲' }] },
  generated_tokens: 9,
  tokens_per_second: 31.5,
  time_to_first_token_ms: 420,
};

describe('analysisReducer', () => {
  it('goes through the phases with their progress', () => {
    expect(started).toMatchObject({ phase: 'submitting', analysedText: '文本' });
    expect(after({ status: 'queued', position: 3 })).toMatchObject({ phase: 'queued', queuePosition: 3 });
    expect(after({ status: 'loading', model: 'm', bytes_done: 1, bytes_total: 4 }).loading).toEqual({
      model: 'm', bytesDone: 1, bytesTotal: 4,
    });
    expect(after({ status: 'reading', tokens_done: 5, tokens_total: 8 }).reading).toEqual({ tokensDone: 5, tokensTotal: 8 });
    expect(after(kWriting)).toMatchObject({
      phase: 'writing', report: '## 核心观点', stats: { tokens_per_second: 31.5, time_to_first_token_ms: 420 },
    });
  });

  it('ends complete, with warnings and without losing what a short ending leaves out', () => {
    const state = after(kWriting, { status: 'complete', warnings: ['w'] });
    expect(state).toMatchObject({ phase: 'complete', report: '## 核心观点', warnings: ['w'], stats: { generated_tokens: 9 } });
    expect(isSettled(state.phase)).toBe(true);
  });

  it('keeps the partial report of a run that fails or is cancelled', () => {
    const failed = after(kWriting, { status: 'error', error: 'out of memory: 3 GiB asked, 1 GiB free' });
    expect(failed).toMatchObject({
      phase: 'error', report: '## 核心观点', error: { from: 'server', message: 'out of memory: 3 GiB asked, 1 GiB free' },
    });
    expect(after(kWriting, { status: 'cancelled' })).toMatchObject({ phase: 'cancelled', report: '## 核心观点' });
  });

  it('ignores whatever comes after the end', () => {
    const done = after(kWriting, { status: 'complete' });
    expect(analysisReducer(done, { type: 'event', event: { status: 'error', error: 'late' } })).toBe(done);
    expect(analysisReducer(done, { type: 'failed', error: { from: 'page', kind: 'stream_ended' } })).toBe(done);
    expect(analysisReducer(done, { type: 'stop' })).toBe(done);
  });

  it('shows that it is stopping until the run has ended, and believes a report that came first', () => {
    const stopping = analysisReducer(after(kWriting), { type: 'stop' });
    expect(stopping).toMatchObject({ phase: 'writing', stopping: true });
    expect(isRunning(stopping.phase)).toBe(true);
    expect(analysisReducer(stopping, { type: 'stopped' })).toMatchObject({ phase: 'cancelled', stopping: false });
    const finished = analysisReducer(stopping, { type: 'event', event: { status: 'complete' } });
    expect(finished).toMatchObject({ phase: 'complete', stopping: false });
  });

  it('starts afresh', () => {
    const again = analysisReducer(after(kWriting, { status: 'error', error: 'x' }), { type: 'start', text: 'b' });
    expect(again).toEqual({ ...kInitialState, phase: 'submitting', analysedText: 'b' });
    expect(analysisReducer(again, { type: 'clear' })).toBe(kInitialState);
  });
});
