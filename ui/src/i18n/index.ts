import { createContext, useContext } from 'react';
import type { UiLanguage } from '../state/preferences';
import { en } from './en';
import { zh } from './zh';

export type MessageKey = keyof typeof en;
export type MessageValues = Record<string, string | number>;
export type Translate = (key: MessageKey, values?: MessageValues) => string;

export const kMessages: Record<UiLanguage, Record<MessageKey, string>> = { en, zh };

/** One pass, so that a value which itself looks like a placeholder stays as it is. */
export function formatMessage(template: string, values: MessageValues = {}): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

export function translator(language: UiLanguage): Translate {
  return (key, values) => formatMessage(kMessages[language][key], values);
}

/** Protocol values in the reader's language; what this page does not know is shown as it came. */
export function translateValue(t: Translate, prefix: 'kind' | 'polarity' | 'confidence', value: string): string {
  const key = `${prefix}_${value}`;
  return Object.hasOwn(en, key) ? t(key as MessageKey) : value;
}

/** The value of the html element's lang attribute; it also chooses between Han glyph variants. */
export function languageTag(language: UiLanguage): string {
  return language === 'zh' ? 'zh-CN' : 'en';
}

export const TranslateContext = createContext<Translate>(translator('en'));
export const useTranslate = (): Translate => useContext(TranslateContext);
