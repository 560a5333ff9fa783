import { useCallback, useEffect, useState } from 'react';
import { languageTag } from '../i18n';
import {
  browserStorage,
  kThemes,
  loadLanguage,
  loadTheme,
  saveLanguage,
  saveTheme,
  type Theme,
  type UiLanguage,
} from './preferences';

export interface Preferences {
  language: UiLanguage;
  theme: Theme;
  nextTheme: Theme;
  toggleLanguage: () => void;
  cycleTheme: () => void;
}

export function usePreferences(): Preferences {
  const [language, setLanguage] = useState(() => loadLanguage(browserStorage(), navigator.languages));
  const [theme, setTheme] = useState(() => loadTheme(browserStorage()));
  const nextTheme = kThemes[(kThemes.indexOf(theme) + 1) % kThemes.length]!;

  useEffect(() => {
    document.documentElement.lang = languageTag(language);
  }, [language]);

  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);

  const toggleLanguage = useCallback(() => {
    const next = language === 'zh' ? 'en' : 'zh';
    saveLanguage(browserStorage(), next);
    setLanguage(next);
  }, [language]);

  const cycleTheme = useCallback(() => {
    saveTheme(browserStorage(), nextTheme);
    setTheme(nextTheme);
  }, [nextTheme]);

  return { language, theme, nextTheme, toggleLanguage, cycleTheme };
}
