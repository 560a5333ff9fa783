import { useCallback, useEffect, useMemo, useState } from 'react';
import type { LanguageChoice } from './api/types';
import { Header } from './components/Header';
import { ReportPane } from './components/ReportPane';
import { RunControls } from './components/RunControls';
import { TextPane } from './components/TextPane';
import type { TextView } from './components/ViewSwitch';
import { TranslateContext, translator, type MessageKey } from './i18n';
import { claimsOf } from './report/claims';
import { kSamples } from './samples';
import { isRunning, isSettled } from './state/analysis';
import { useAnalysis } from './state/useAnalysis';
import { useFileDrop } from './state/useFileDrop';
import { useHighlight } from './state/useHighlight';
import { usePreferences } from './state/usePreferences';
import { useServerInfo } from './state/useServerInfo';
import { FileError, readTextFile } from './text/files';

interface NoticeState {
  key: MessageKey;
  name?: string;
}

export function App() {
  const preferences = usePreferences();
  const t = useMemo(() => translator(preferences.language), [preferences.language]);
  const { models, version } = useServerInfo();
  const [text, setText] = useState('');
  const [fileName, setFileName] = useState<string | null>(null);
  const [notice, setNotice] = useState<NoticeState | null>(null);
  const [view, setView] = useState<TextView>('edit');
  const [model, setModel] = useState('');
  const [reportLanguage, setReportLanguage] = useState<LanguageChoice>('auto');
  const { state, start, stop, clear } = useAnalysis();
  const claims = useMemo(() => claimsOf(state.result), [state.result]);
  const highlight = useHighlight();
  const running = isRunning(state.phase);
  const canStart = !running && text.trim() !== '';

  const replaceText = useCallback(
    (next: string, name: string | null) => {
      setText(next);
      setFileName(name);
      setNotice(null);
      setView('edit');
      clear();
    },
    [clear],
  );

  const openFiles = useCallback(
    async (files: File[]) => {
      const [file] = files;
      if (!file) return;
      if (files.length > 1) return setNotice({ key: 'file_count' });
      try {
        replaceText(await readTextFile(file), file.name);
      } catch (error) {
        setNotice({ key: error instanceof FileError ? error.problem : 'file_read', name: file.name });
      }
    },
    [replaceText],
  );
  const dragging = useFileDrop(openFiles);

  const analyse = useCallback(() => {
    if (!canStart) return;
    // A lone half of a surrogate pair has no UTF-8 form; its replacement counts one code point, as it did.
    const wellFormed = text.toWellFormed();
    setText(wellFormed);
    setNotice(null);
    setView('marked');
    start({ text: wellFormed, language: reportLanguage, ...(model === '' ? {} : { model }) });
  }, [canStart, text, model, reportLanguage, start]);

  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      // While an input method is composing, Enter and Escape belong to it.
      if (event.isComposing || event.defaultPrevented) return;
      if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        analyse();
      } else if (event.key === 'Escape' && running) {
        event.preventDefault();
        stop();
      }
    };
    window.addEventListener('keydown', onKeyDown);
    return () => window.removeEventListener('keydown', onKeyDown);
  }, [analyse, running, stop]);

  const showEvidence = useCallback(() => setView('marked'), []);
  const sayCopyFailed = useCallback(() => setNotice({ key: 'copy_failed' }), []);

  return (
    <TranslateContext value={t}>
      <a className="skip-link" href="#text-pane">{t('skip_to_text')}</a>
      <a className="skip-link" href="#report-pane">{t('skip_to_report')}</a>
      <Header preferences={preferences} />
      <main className="panes" data-has-report={state.phase === 'idle' ? undefined : true}>
        <TextPane
          text={text}
          onText={setText}
          view={view}
          onView={setView}
          analysedText={state.analysedText}
          claims={claims}
          highlight={highlight}
          fileName={fileName}
          notice={notice && t(notice.key, { name: notice.name ?? '' })}
          onDismissNotice={() => setNotice(null)}
          onFiles={openFiles}
          onSample={() => replaceText(kSamples[preferences.language], null)}
          onClear={() => replaceText('', null)}
          running={running}
        >
          <RunControls
            models={models}
            model={model}
            onModel={setModel}
            reportLanguage={reportLanguage}
            onReportLanguage={setReportLanguage}
            running={running}
            stopping={state.stopping}
            canStart={canStart}
            again={isSettled(state.phase) && state.analysedText === text}
            onStart={analyse}
            onStop={stop}
          />
        </TextPane>
        <ReportPane
          state={state}
          claims={claims}
          highlight={highlight}
          onShowEvidence={showEvidence}
          onCopyFailed={sayCopyFailed}
        />
      </main>
      <footer className="footer">
        <p>{t('privacy_note')}</p>
        {version !== '' && <p translate="no">{t('version', { version })}</p>}
      </footer>
      {dragging && (
        <div className="drop-overlay">
          <p className="drop-title">{t('drop_here')}</p>
          <p>{t('drop_kinds')}</p>
        </div>
      )}
    </TranslateContext>
  );
}
