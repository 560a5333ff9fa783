import type { Stats } from '../api/types';
import { useTranslate } from '../i18n';
import { formatInteger, formatMilliseconds, formatRate } from '../i18n/numbers';

/** What is not measured yet may be absent or null. */
function isKnown(value: number | null | undefined): value is number {
  return typeof value === 'number';
}

export function StatsBar({ stats }: { stats: Stats }) {
  const t = useTranslate();
  const rows: { name: string; label: string; value: string }[] = [];
  const add = (name: string, label: string, value: string) => rows.push({ name, label, value });
  if (isKnown(stats.time_to_first_token_ms)) {
    add('first-token', t('stat_first_token'), formatMilliseconds(stats.time_to_first_token_ms));
  }
  if (isKnown(stats.tokens_per_second) && stats.tokens_per_second > 0) {
    add('speed', t('stat_speed'), t('stat_speed_value', { value: formatRate(stats.tokens_per_second) }));
  }
  if (isKnown(stats.prompt_tokens)) {
    add('read', t('stat_prompt'), t('stat_tokens_value', { value: formatInteger(stats.prompt_tokens) }));
  }
  if (isKnown(stats.generated_tokens)) {
    add('written', t('stat_generated'), t('stat_tokens_value', { value: formatInteger(stats.generated_tokens) }));
  }
  if (isKnown(stats.total_ms)) add('total', t('stat_total'), formatMilliseconds(stats.total_ms));
  if (stats.model) add('model', t('stat_model'), stats.model);
  if (rows.length === 0) return null;
  return (
    <dl className="stats" aria-label={t('stats_label')} data-testid="stats">
      {rows.map(({ name, label, value }) => (
        <div key={name} className="stat" data-stat={name}>
          <dt>{label}</dt>
          <dd translate="no">{value}</dd>
        </div>
      ))}
    </dl>
  );
}
