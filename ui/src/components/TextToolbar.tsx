import { useRef } from 'react';
import { useTranslate } from '../i18n';
import { kFileSuffixes } from '../text/files';
import { ClearIcon, OpenIcon, SampleIcon } from './Icons';

interface Props {
  canClear: boolean;
  onFiles: (files: File[]) => void;
  onSample: () => void;
  onClear: () => void;
}

export function TextToolbar({ canClear, onFiles, onSample, onClear }: Props) {
  const t = useTranslate();
  const picker = useRef<HTMLInputElement>(null);
  // Where the visible label is hidden for want of room, the title names the button.
  return (
    <div className="toolbar">
      <input
        ref={picker}
        className="visually-hidden"
        type="file"
        accept={kFileSuffixes.join(',')}
        tabIndex={-1}
        aria-hidden="true"
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])]);
          // Else choosing the same file again would not be a change.
          event.target.value = '';
        }}
      />
      <button
        type="button"
        className="button button-quiet"
        title={t('open_file_label')}
        onClick={() => picker.current?.click()}
      >
        <OpenIcon />
        <span className="button-label">{t('open_file')}</span>
      </button>
      <button
        type="button"
        className="button button-quiet"
        data-testid="load-sample"
        title={t('load_sample_label')}
        onClick={onSample}
      >
        <SampleIcon />
        <span className="button-label">{t('load_sample')}</span>
      </button>
      <button
        type="button"
        className="button button-quiet"
        title={t('clear_text_label')}
        disabled={!canClear}
        onClick={onClear}
      >
        <ClearIcon />
        <span className="button-label">{t('clear_text')}</span>
      </button>
    </div>
  );
}
