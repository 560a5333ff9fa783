import { useEffect, useState } from 'react';
import type { AnalysisResult } from '../api/types';
import { useTranslate } from '../i18n';
import { copyToClipboard, download, exportContent, type ExportFormat } from '../report/exports';
import { CopyIcon, DoneIcon, DownloadIcon } from './Icons';

const kFormats: readonly { format: ExportFormat; name: string }[] = [
  { format: 'markdown', name: 'Markdown' },
  { format: 'json', name: 'JSON' },
];
const kSayCopiedMs = 2000;

interface Props {
  report: string;
  result: AnalysisResult | null;
  onCopyFailed: () => void;
}

export function ExportButtons({ report, result, onCopyFailed }: Props) {
  const t = useTranslate();
  const [copied, setCopied] = useState<ExportFormat | null>(null);

  useEffect(() => {
    if (copied === null) return;
    const timer = setTimeout(() => setCopied(null), kSayCopiedMs);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = async (format: ExportFormat) => {
    if (await copyToClipboard(exportContent(format, report, result))) setCopied(format);
    else onCopyFailed();
  };

  return (
    <div className="exports" role="group" aria-label={t('export_label')}>
      {kFormats.map(({ format, name }) => (
        <span key={format} className="export">
          <span className="export-name" aria-hidden="true">{name}</span>
          <button
            type="button"
            className="button button-quiet button-icon"
            aria-label={t(`copy_${format}`)}
            title={t(`copy_${format}`)}
            onClick={() => void copy(format)}
          >
            {copied === format ? <DoneIcon /> : <CopyIcon />}
          </button>
          <button
            type="button"
            className="button button-quiet button-icon"
            aria-label={t(`download_${format}`)}
            title={t(`download_${format}`)}
            onClick={() => download(format, exportContent(format, report, result))}
          >
            <DownloadIcon />
          </button>
        </span>
      ))}
      <span className="visually-hidden" role="status">{copied === null ? '' : t('copied')}</span>
    </div>
  );
}
