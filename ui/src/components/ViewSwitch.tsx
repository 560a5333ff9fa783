import { useTranslate } from '../i18n';

export type TextView = 'edit' | 'marked';
const kViews: readonly TextView[] = ['edit', 'marked'];

/** Native radio buttons: arrow keys and screen readers work without further code. */
export function ViewSwitch({ view, onChange }: { view: TextView; onChange: (view: TextView) => void }) {
  const t = useTranslate();
  return (
    <div className="segmented" role="radiogroup" aria-label={t('view_label')}>
      {kViews.map((option) => (
        <label key={option} className="segmented-option">
          <input
            type="radio"
            name="text-view"
            value={option}
            checked={view === option}
            onChange={() => onChange(option)}
          />
          <span>{t(`view_${option}`)}</span>
        </label>
      ))}
    </div>
  );
}
