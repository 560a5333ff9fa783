import { useEffect, useRef } from 'react';
import type { LanguageChoice } from '../api/types';
import { useTranslate } from '../i18n';
import { StopIcon } from './Icons';

interface Props {
  models: string[];
  model: string;
  onModel: (model: string) => void;
  reportLanguage: LanguageChoice;
  onReportLanguage: (language: LanguageChoice) => void;
  running: boolean;
  stopping: boolean;
  canStart: boolean;
  again: boolean;
  onStart: () => void;
  onStop: () => void;
}

const kLanguageChoices: readonly LanguageChoice[] = ['auto', 'zh', 'en'];
const kIsApple = /Mac|iPhone|iPad/.test(navigator.platform);

export function RunControls(props: Props) {
  const t = useTranslate();
  return (
    <div className="run-controls">
      <label className="field">
        <span className="field-label">{t('model')}</span>
        <select
          className="select"
          value={props.model}
          disabled={props.running}
          onChange={(event) => props.onModel(event.target.value)}
        >
          <option value="">{t('model_auto')}</option>
          {props.models.map((name) => (
            <option key={name} value={name} translate="no">
              {name}
            </option>
          ))}
        </select>
      </label>
      <label className="field">
        <span className="field-label">{t('report_language')}</span>
        <select
          className="select"
          value={props.reportLanguage}
          disabled={props.running}
          onChange={(event) => props.onReportLanguage(event.target.value as LanguageChoice)}
        >
          {kLanguageChoices.map((choice) => (
            <option key={choice} value={choice}>
              {t(`report_language_${choice}`)}
            </option>
          ))}
        </select>
      </label>
      <RunButton {...props} />
    </div>
  );
}

/** One element for both actions, so that the keyboard's focus stays on it from start to stop and back. */
function RunButton({ running, stopping, canStart, again, onStart, onStop }: Props) {
  const t = useTranslate();
  const button = useRef<HTMLButtonElement>(null);

  // Starting hides the text area; if the focus was there it would fall off the page.
  useEffect(() => {
    if (running && (document.activeElement === null || document.activeElement === document.body)) {
      button.current?.focus({ preventScroll: true });
    }
  }, [running]);

  if (running) {
    return (
      <button
        key="run"
        ref={button}
        type="button"
        className="button button-stop"
        data-testid="stop"
        aria-keyshortcuts="Escape"
        aria-disabled={stopping}
        // The second click of a double click on "Analyse" is not meant for "Stop".
        onClick={(event) => event.detail <= 1 && onStop()}
      >
        <StopIcon />
        <span>{stopping ? t('stopping') : t('stop')}</span>
        <kbd aria-hidden="true">Esc</kbd>
      </button>
    );
  }
  return (
    <button
      key="run"
      ref={button}
      type="button"
      className="button button-primary"
      data-testid="analyse"
      aria-keyshortcuts="Control+Enter Meta+Enter"
      disabled={!canStart}
      onClick={onStart}
    >
      <span>{again ? t('analyse_again') : t('analyse')}</span>
      <kbd aria-hidden="true">{kIsApple ? '⌘' : 'Ctrl'} ↵</kbd>
    </button>
  );
}
