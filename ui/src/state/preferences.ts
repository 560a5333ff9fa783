// The only two things this page ever stores in the browser, and only once the user has chosen them.

export const kStorageKeys = ['language', 'theme'] as const;
type StorageKey = (typeof kStorageKeys)[number];

export const kUiLanguages = ['zh', 'en'] as const;
export type UiLanguage = (typeof kUiLanguages)[number];

export const kThemes = ['system', 'light', 'dark'] as const;
export type Theme = (typeof kThemes)[number];

export type PreferenceStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** Null where the user has switched storage off: reading the property itself then throws. */
export function browserStorage(): PreferenceStorage | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

function read(storage: PreferenceStorage | null, key: StorageKey): string | null {
  try {
    return storage?.getItem(key) ?? null;
  } catch {
    return null;
  }
}

function write(storage: PreferenceStorage | null, key: StorageKey, value: string | null): void {
  try {
    if (value === null) storage?.removeItem(key);
    else storage?.setItem(key, value);
  } catch {
    // The choice then lasts until the page is closed.
  }
}

export function loadLanguage(storage: PreferenceStorage | null, browserLanguages: readonly string[]): UiLanguage {
  const stored = read(storage, 'language');
  if (stored === 'zh' || stored === 'en') return stored;
  return browserLanguages[0]?.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

export function saveLanguage(storage: PreferenceStorage | null, language: UiLanguage): void {
  write(storage, 'language', language);
}

export function loadTheme(storage: PreferenceStorage | null): Theme {
  const stored = read(storage, 'theme');
  return stored === 'light' || stored === 'dark' ? stored : 'system';
}

/** "system" is the absence of a choice. */
export function saveTheme(storage: PreferenceStorage | null, theme: Theme): void {
  write(storage, 'theme', theme === 'system' ? null : theme);
}
