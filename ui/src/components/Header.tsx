import { useTranslate } from '../i18n';
import type { Preferences } from '../state/usePreferences';
import { BrandIcon, MoonIcon, SunIcon, SystemThemeIcon } from './Icons';

const kThemeIcons = { system: SystemThemeIcon, light: SunIcon, dark: MoonIcon };

export function Header({ preferences }: { preferences: Preferences }) {
  const t = useTranslate();
  const { language, theme, nextTheme, toggleLanguage, cycleTheme } = preferences;
  const ThemeIcon = kThemeIcons[theme];
  const themeLabel = t('theme_label', { theme: t(`theme_${theme}`), next: t(`theme_${nextTheme}`) });
  return (
    <header className="header">
      <h1 className="brand" translate="no">
        <BrandIcon />
        <span className="brand-han" lang="zh-CN">深析</span>
        <span className="brand-latin" lang="en">DeepAnalyze</span>
      </h1>
      <div className="header-tools">
        <button
          type="button"
          className="button button-quiet"
          data-testid="language-toggle"
          lang={language === 'zh' ? 'en' : 'zh-CN'}
          aria-label={t('language_switch_label')}
          title={t('language_switch_label')}
          onClick={toggleLanguage}
        >
          {t('language_switch')}
        </button>
        <button
          type="button"
          className="button button-quiet button-icon"
          data-testid="theme-toggle"
          aria-label={themeLabel}
          title={themeLabel}
          onClick={cycleTheme}
        >
          <ThemeIcon />
        </button>
      </div>
    </header>
  );
}
