import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  kStorageKeys, loadLanguage, loadTheme, saveLanguage, saveTheme, type PreferenceStorage,
} from '../../src/state/preferences';

class MapStorage implements PreferenceStorage {
  readonly entries = new Map<string, string>();
  getItem = (key: string) => this.entries.get(key) ?? null;
  setItem = (key: string, value: string) => void this.entries.set(key, value);
  removeItem = (key: string) => void this.entries.delete(key);
}

const kBroken: PreferenceStorage = {
  getItem: () => { throw new Error('denied'); },
  setItem: () => { throw new Error('denied'); },
  removeItem: () => { throw new Error('denied'); },
};

describe('preferences', () => {
  it('stores language and theme, and nothing else', () => {
    const storage = new MapStorage();
    saveLanguage(storage, 'zh');
    saveTheme(storage, 'dark');
    expect([...storage.entries.keys()].sort()).toEqual([...kStorageKeys].sort());
    expect([loadLanguage(storage, ['en']), loadTheme(storage)]).toEqual(['zh', 'dark']);
    saveTheme(storage, 'system');
    expect([...storage.entries.keys()]).toEqual(['language']);
  });

  it('follows the browser until the user chooses, and ignores nonsense', () => {
    const storage = new MapStorage();
    expect(loadLanguage(storage, ['zh-Hant-TW', 'en'])).toBe('zh');
    expect(loadLanguage(storage, ['fr', 'zh'])).toBe('en');
    expect(loadLanguage(storage, [])).toBe('en');
    storage.setItem('language', 'xx');
    storage.setItem('theme', 'pink');
    expect([loadLanguage(storage, ['zh']), loadTheme(storage)]).toEqual(['zh', 'system']);
    expect(storage.entries.size).toBe(2);
  });

  it('works without storage', () => {
    for (const storage of [null, kBroken]) {
      saveLanguage(storage, 'en');
      saveTheme(storage, 'light');
      saveTheme(storage, 'system');
      expect([loadLanguage(storage, ['zh-CN']), loadTheme(storage)]).toEqual(['zh', 'system']);
    }
  });
});

describe('the sources', () => {
  const root = join(import.meta.dirname, '../../src');
  const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.(ts|tsx|css)$/.test(path))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

  it('touch browser storage in one place only', () => {
    const storage = /localStorage|sessionStorage|indexedDB|document\.cookie|caches\.|serviceWorker/;
    const users = sources.filter(({ text }) => storage.test(text)).map(({ path }) => path);
    expect(users).toEqual([join('state', 'preferences.ts')]);
  });

  it('never turn text into markup and name no other host', () => {
    const forbidden = /innerHTML|outerHTML|insertAdjacentHTML|dangerouslySetInnerHTML|document\.write|\beval\(|https?:\/\/|url\(/;
    expect(sources.filter(({ text }) => forbidden.test(text)).map(({ path }) => path)).toEqual([]);
  });
});
