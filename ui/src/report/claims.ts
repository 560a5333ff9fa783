import type { AnalysisResult, Evidence, Fact, Sentiment, Viewpoint } from '../api/types';
import type { Span } from '../text/segments';

export type ClaimPart = 'viewpoint' | 'fact' | 'sentiment';

interface ClaimOf<Part extends ClaimPart, Item> {
  /** Stable while the report grows, because items are only ever appended. */
  id: string;
  /** The reference number that ties the claim to its mark in the text. */
  number: number;
  part: Part;
  item: Item;
  evidence: Partial<Evidence> | undefined;
}

export type ViewpointClaim = ClaimOf<'viewpoint', Viewpoint>;
export type FactClaim = ClaimOf<'fact', Fact>;
export type SentimentClaim = ClaimOf<'sentiment', Sentiment>;
export type Claim = ViewpointClaim | FactClaim | SentimentClaim;

export interface Claims {
  viewpoints: ViewpointClaim[];
  facts: FactClaim[];
  sentiment: SentimentClaim | null;
  all: Claim[];
}

export function claimsOf(result: AnalysisResult | null): Claims {
  let number = 0;
  const viewpoints = itemsOf(result?.core_viewpoints).map(
    (item, i): ViewpointClaim => ({
      id: `viewpoint-${i}`, number: ++number, part: 'viewpoint', item, evidence: item.evidence,
    }),
  );
  const facts = itemsOf(result?.key_information).map(
    (item, i): FactClaim => ({ id: `fact-${i}`, number: ++number, part: 'fact', item, evidence: item.evidence }),
  );
  const item = result?.underlying_sentiment;
  const sentiment: SentimentClaim | null =
    item && Object.keys(item).length > 0
      ? { id: 'sentiment-0', number: ++number, part: 'sentiment', item, evidence: item.evidence }
      : null;
  return { viewpoints, facts, sentiment, all: [...viewpoints, ...facts, ...(sentiment ? [sentiment] : [])] };
}

/** Half-written results may hold null where an item is about to be. */
function itemsOf<Item>(items: Item[] | undefined): Item[] {
  return Array.isArray(items) ? items.filter((item) => typeof item === 'object' && item !== null) : [];
}

/** The evidence that is complete enough to be marked. */
export function spansOf(claims: Claims): Span[] {
  return claims.all.flatMap(({ id, evidence }) =>
    typeof evidence?.start === 'number' && typeof evidence.end === 'number' && evidence.start < evidence.end
      ? [{ claimId: id, start: evidence.start, end: evidence.end }]
      : [],
  );
}
