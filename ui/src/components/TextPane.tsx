import { useDeferredValue, useMemo, type ReactNode } from 'react';
import { languageTag, useTranslate } from '../i18n';
import { formatInteger } from '../i18n/numbers';
import type { Claims } from '../report/claims';
import type { Highlight } from '../state/useHighlight';
import { countCodePoints } from '../text/codePoints';
import { guessLanguage } from '../text/script';
import { MarkedText } from './MarkedText';
import { Notice } from './Notice';
import { TextToolbar } from './TextToolbar';
import { ViewSwitch, type TextView } from './ViewSwitch';

interface Props {
  text: string;
  onText: (text: string) => void;
  view: TextView;
  onView: (view: TextView) => void;
  analysedText: string | null;
  claims: Claims;
  highlight: Highlight;
  fileName: string | null;
  notice: string | null;
  onDismissNotice: () => void;
  onFiles: (files: File[]) => void;
  onSample: () => void;
  onClear: () => void;
  running: boolean;
  children: ReactNode;
}

export function TextPane(props: Props) {
  const t = useTranslate();
  const { text, view, analysedText } = props;
  const marked = view === 'marked' && analysedText !== null;
  // Counting a text of megabytes must not slow the typing down.
  const countedText = useDeferredValue(marked ? analysedText : text);
  const count = useMemo(() => countCodePoints(countedText), [countedText]);
  const changed = analysedText !== null && analysedText !== text;

  return (
    <section
      className="pane pane-text"
      id="text-pane"
      tabIndex={-1}
      data-view={marked ? 'marked' : 'edit'}
      data-settled={(!props.running && props.claims.all.length > 0) || undefined}
      aria-labelledby="text-title"
    >
      <div className="pane-head">
        <h2 className="pane-title" id="text-title">{t('text_title')}</h2>
        {analysedText !== null && <ViewSwitch view={view} onChange={props.onView} />}
        <TextToolbar
          canClear={!props.running && (text !== '' || analysedText !== null)}
          onFiles={props.onFiles}
          onSample={props.onSample}
          onClear={props.onClear}
        />
      </div>
      {props.notice !== null && <Notice message={props.notice} onDismiss={props.onDismissNotice} />}
      <div className="pane-body">
        {/* Hidden rather than removed, so that undo and the scroll position survive a look at the evidence. */}
        <textarea
          id="text"
          className="text-body text-input"
          aria-label={t('text_label')}
          placeholder={t('text_placeholder')}
          hidden={marked}
          value={text}
          onChange={(event) => props.onText(event.target.value)}
          lang={text === '' ? undefined : languageTag(guessLanguage(text))}
          spellCheck={false}
          autoComplete="off"
          autoCorrect="off"
          autoCapitalize="off"
          translate="no"
          data-gramm="false"
        />
        {marked && <MarkedText text={analysedText} claims={props.claims} highlight={props.highlight} />}
      </div>
      <div className="pane-foot">
        <p className="text-facts">
          <span data-testid="count">
            {count === 1 ? t('characters_one') : t('characters', { count: formatInteger(count) })}
          </span>
          {props.fileName !== null && !marked && (
            <span className="file-name" translate="no" title={props.fileName}>{props.fileName}</span>
          )}
          {changed && <span className="text-changed">{t('text_changed')}</span>}
        </p>
        {props.children}
      </div>
    </section>
  );
}
