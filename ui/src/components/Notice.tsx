import { useTranslate } from '../i18n';
import { AlertIcon, ClearIcon } from './Icons';

/** A problem on the page's own side, said at once to screen readers too. */
export function Notice({ message, onDismiss }: { message: string; onDismiss: () => void }) {
  const t = useTranslate();
  return (
    <div className="notice" role="alert">
      <AlertIcon />
      <span className="notice-text">{message}</span>
      <button type="button" className="button button-quiet button-icon" aria-label={t('dismiss')} onClick={onDismiss}>
        <ClearIcon />
      </button>
    </div>
  );
}
