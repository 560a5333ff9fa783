// The analysis API's records, named as on the wire. See docs/analysis-protocol.md.

export type ReportLanguage = 'zh' | 'en';
export type LanguageChoice = 'auto' | ReportLanguage;

/** A verbatim quote of the submitted text; start and end count Unicode code points. */
export interface Evidence {
  quote: string;
  start: number;
  end: number;
}

/** While a report is being written every field of an item may still be missing. */
export interface Viewpoint {
  evidence?: Partial<Evidence>;
  kind?: string;
  statement?: string;
}

export interface Fact {
  evidence?: Partial<Evidence>;
  time?: string;
  subject?: string;
  action?: string;
  result?: string;
  figures?: string[];
}

export interface Sentiment {
  evidence?: Partial<Evidence>;
  surface_tone?: string;
  underlying_attitude?: string;
  polarity?: string;
  intensity?: number;
  confidence?: string;
}

export interface AnalysisResult {
  language?: ReportLanguage;
  core_viewpoints?: Viewpoint[];
  key_information?: Fact[];
  underlying_sentiment?: Sentiment;
}

export interface Stats {
  model?: string;
  prompt_tokens?: number;
  generated_tokens?: number;
  time_to_first_token_ms?: number;
  tokens_per_second?: number;
  total_ms?: number;
}

export type StreamEvent =
  | { status: 'queued'; position?: number }
  | { status: 'loading'; model?: string; bytes_done?: number; bytes_total?: number }
  | { status: 'reading'; tokens_done?: number; tokens_total?: number }
  | {
      status: 'writing';
      report?: string;
      result?: AnalysisResult;
      generated_tokens?: number;
      tokens_per_second?: number;
      time_to_first_token_ms?: number;
    }
  | { status: 'complete'; report?: string; result?: AnalysisResult; stats?: Stats; warnings?: string[] }
  | { status: 'error'; error?: string }
  | { status: 'cancelled' };

export interface AnalyzeRequest {
  text: string;
  model?: string;
  language?: LanguageChoice;
}
