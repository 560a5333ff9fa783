import { useTranslate, type Translate } from '../i18n';
import { formatBytes, formatInteger } from '../i18n/numbers';
import type { Claims } from '../report/claims';
import { isRunning, type AnalysisState } from '../state/analysis';

/** Changes with the phase only, not with every token: a screen reader reads each change aloud. */
function phaseText(t: Translate, state: AnalysisState, claims: Claims): string {
  switch (state.phase) {
    case 'idle':
      return '';
    case 'queued':
      return state.queuePosition === null
        ? t('phase_queued')
        : t('phase_queued_position', { position: state.queuePosition });
    case 'loading':
      return state.loading?.model ? t('phase_loading_model', { model: state.loading.model }) : t('phase_loading');
    case 'complete':
      return claims.all.length === 0
        ? t('phase_complete')
        : t('phase_complete_counts', { viewpoints: claims.viewpoints.length, facts: claims.facts.length });
    case 'cancelled':
      return state.report === '' ? t('phase_cancelled') : t('phase_cancelled_partial');
    default:
      return t(`phase_${state.phase}`);
  }
}

interface Progress {
  done: number;
  total: number;
  text: string;
}

function progressOf(t: Translate, state: AnalysisState): Progress | null {
  if (state.phase === 'loading' && state.loading && state.loading.bytesTotal > 0) {
    const { bytesDone: done, bytesTotal: total } = state.loading;
    return { done, total, text: t('progress_bytes', { done: formatBytes(done), total: formatBytes(total) }) };
  }
  if (state.phase === 'reading' && state.reading && state.reading.tokensTotal > 0) {
    const { tokensDone: done, tokensTotal: total } = state.reading;
    return { done, total, text: t('progress_tokens', { done: formatInteger(done), total: formatInteger(total) }) };
  }
  return null;
}

export function StatusLine({ state, claims }: { state: AnalysisState; claims: Claims }) {
  const t = useTranslate();
  const text = state.stopping ? t('stopping') : phaseText(t, state, claims);
  const progress = progressOf(t, state);
  return (
    <div className="status" data-phase={state.phase}>
      <p className="status-text" role="status" data-testid="status">{text}</p>
      {progress && <span className="status-detail">{progress.text}</span>}
      {isRunning(state.phase) && (
        // Without a value the bar is indeterminate.
        <progress className="progress" aria-label={text} value={progress?.done} max={progress?.total ?? 1} />
      )}
    </div>
  );
}
