import type { Stats } from '../api/types';
import { useTranslate } from '../i18n';
import { formatInteger, formatMilliseconds, formatRate } from '../i18n/numbers';

export function StatsBar({ stats }: { stats: Stats }) {
  const t = useTranslate();
  const rows: { name: string; label: string; value: string }[] = [];
  const add = (name: string, label: string, value: string) => rows.push({ name, label, value });
  if (stats.time_to_first_token_ms !== undefined) {
    add('first-token', t('stat_first_token'), formatMilliseconds(stats.time_to_first_token_ms));
  }
  if (stats.tokens_per_second !== undefined) {
    add('speed', t('stat_speed'), t('stat_speed_value', { value: formatRate(stats.tokens_per_second) }));
  }
  if (stats.prompt_tokens !== undefined) {
    add('read', t('stat_prompt'), t('stat_tokens_value', { value: formatInteger(stats.prompt_tokens) }));
  }
  if (stats.generated_tokens !== undefined) {
    add('written', t('stat_generated'), t('stat_tokens_value', { value: formatInteger(stats.generated_tokens) }));
  }
  if (stats.total_ms !== undefined) add('total', t('stat_total'), formatMilliseconds(stats.total_ms));
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
