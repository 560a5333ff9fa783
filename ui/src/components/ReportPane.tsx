import { useRef, type ReactNode } from 'react';
import { languageTag, useTranslate } from '../i18n';
import type { Claims } from '../report/claims';
import { isRunning, isSettled, type AnalysisState } from '../state/analysis';
import type { Highlight } from '../state/useHighlight';
import { ExportButtons } from './ExportButtons';
import { Facts } from './Facts';
import { AlertIcon } from './Icons';
import { useFollowEnd } from './scroll';
import { SentimentPart } from './SentimentPart';
import { StatsBar } from './StatsBar';
import { StatusLine } from './StatusLine';
import { useRevealActiveClaim } from './useRevealActiveClaim';
import { Viewpoints } from './Viewpoints';

interface Props {
  state: AnalysisState;
  claims: Claims;
  highlight: Highlight;
  onShowEvidence: (claimId: string) => void;
  onCopyFailed: () => void;
}

export function ReportPane({ state, claims, highlight, onShowEvidence, onCopyFailed }: Props) {
  const t = useTranslate();
  const body = useRef<HTMLDivElement>(null);
  const onScroll = useFollowEnd(body, state.report, state.phase === 'writing');
  useRevealActiveClaim(body, highlight);
  const hasReport = state.report !== '' || claims.all.length > 0;
  return (
    <section
      className="pane pane-report"
      id="report-pane"
      tabIndex={-1}
      data-phase={state.phase}
      aria-labelledby="report-title"
    >
      <div className="pane-head">
        <h2 className="pane-title" id="report-title">{t('report_title')}</h2>
        {isSettled(state.phase) && hasReport && (
          <ExportButtons report={state.report} result={state.result} onCopyFailed={onCopyFailed} />
        )}
      </div>
      <StatusLine state={state} claims={claims} />
      <div
        ref={body}
        className="pane-body report-body"
        data-testid="report"
        aria-busy={isRunning(state.phase)}
        tabIndex={0}
        role="group"
        aria-labelledby="report-title"
        onScroll={onScroll}
      >
        {state.phase === 'idle' && <EmptyReport />}
        {state.error && <ErrorBox state={state} />}
        {(hasReport || isRunning(state.phase)) && (
          <ReportParts state={state} claims={claims} highlight={highlight} onShow={onShowEvidence} />
        )}
        {state.warnings.length > 0 && <Warnings warnings={state.warnings} />}
      </div>
      {state.stats && <StatsBar stats={state.stats} />}
    </section>
  );
}

interface PartsProps {
  state: AnalysisState;
  claims: Claims;
  highlight: Highlight;
  onShow: (claimId: string) => void;
}

function ReportParts({ state, claims, highlight, onShow }: PartsProps) {
  const t = useTranslate();
  const link = { highlight, onShow };
  const running = isRunning(state.phase);
  const lang = state.result?.language;
  // A model outside of the protocol may write Markdown only: it is shown as it is, as text.
  if (claims.all.length === 0 && state.report !== '' && !running) {
    return <p className="plain-report" translate="no">{state.report}</p>;
  }
  return (
    <article className="report" lang={lang ? languageTag(lang) : undefined} data-writing={running || undefined}>
      <Part id="viewpoints" title={t('part_viewpoints')}>
        {claims.viewpoints.length > 0 ? <Viewpoints claims={claims.viewpoints} link={link} /> : <Pending on={running} />}
      </Part>
      <Part id="facts" title={t('part_facts')}>
        {claims.facts.length > 0 && <Facts claims={claims.facts} link={link} />}
        {claims.facts.length === 0 && running && !claims.sentiment && <Pending on />}
        {claims.facts.length === 0 && !running && <p className="no-facts">{t('no_facts')}</p>}
      </Part>
      <Part id="sentiment" title={t('part_sentiment')}>
        {claims.sentiment ? <SentimentPart claim={claims.sentiment} link={link} /> : <Pending on={running} />}
      </Part>
    </article>
  );
}

function Part({ id, title, children }: { id: string; title: string; children: ReactNode }) {
  return (
    <section className="part" data-part={id} aria-labelledby={`part-${id}`}>
      <h3 className="part-title" id={`part-${id}`}>{title}</h3>
      {children}
    </section>
  );
}

/** Grey lines where the text is about to be. */
function Pending({ on }: { on: boolean }) {
  if (!on) return null;
  return (
    <div className="pending" aria-hidden="true">
      <span className="pending-line" />
      <span className="pending-line" />
    </div>
  );
}

function EmptyReport() {
  const t = useTranslate();
  return (
    <div className="empty-report">
      <p className="empty-title">{t('report_empty_title')}</p>
      <ul>
        <li data-part="viewpoint">{t('report_empty_1')}</li>
        <li data-part="fact">{t('report_empty_2')}</li>
        <li data-part="sentiment">{t('report_empty_3')}</li>
      </ul>
      <p>{t('report_empty_note')}</p>
    </div>
  );
}

function ErrorBox({ state }: { state: AnalysisState }) {
  const t = useTranslate();
  const error = state.error!;
  return (
    <div className="error-box" role="alert">
      <AlertIcon />
      {error.from === 'server' ? (
        <p className="error-message" data-testid="error" translate="no">{error.message || t('phase_error')}</p>
      ) : (
        <p className="error-message" data-testid="error">{t(`error_${error.kind}`)}</p>
      )}
    </div>
  );
}

function Warnings({ warnings }: { warnings: string[] }) {
  const t = useTranslate();
  return (
    <aside className="warnings" aria-labelledby="warnings-title">
      <h3 id="warnings-title">{t('warnings')}</h3>
      <ul>
        {warnings.map((warning, i) => <li key={i} translate="no">{warning}</li>)}
      </ul>
    </aside>
  );
}
