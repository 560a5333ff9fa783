import { translateValue, useTranslate } from '../i18n';
import type { SentimentClaim } from '../report/claims';
import { claimAttributes, Quote, Reference, type ClaimLink } from './ClaimParts';

const kSteps = [1, 2, 3, 4, 5] as const;

export function SentimentPart({ claim, link }: { claim: SentimentClaim; link: ClaimLink }) {
  const t = useTranslate();
  const { surface_tone, underlying_attitude, polarity, intensity, confidence } = claim.item;
  return (
    <div className="claim sentiment" {...claimAttributes(claim, link)}>
      <Reference claim={claim} />
      <div className="claim-content">
        <dl className="tones">
          {surface_tone && <Row term={t('surface_tone')} value={surface_tone} />}
          {underlying_attitude && <Row term={t('underlying_attitude')} value={underlying_attitude} strong />}
        </dl>
        <dl className="scales">
          {polarity && (
            <div className="scale">
              <dt>{t('polarity')}</dt>
              <dd className="polarity" data-polarity={polarity}>{translateValue(t, 'polarity', polarity)}</dd>
            </div>
          )}
          {typeof intensity === 'number' && (
            <div className="scale">
              <dt>{t('intensity')}</dt>
              <dd><IntensityMeter value={intensity} /></dd>
            </div>
          )}
          {confidence && (
            <div className="scale">
              <dt>{t('confidence')}</dt>
              <dd>{translateValue(t, 'confidence', confidence)}</dd>
            </div>
          )}
        </dl>
        <Quote claim={claim} />
      </div>
    </div>
  );
}

function Row({ term, value, strong = false }: { term: string; value: string; strong?: boolean }) {
  return (
    <div className="tone" data-strong={strong || undefined}>
      <dt>{term}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function IntensityMeter({ value }: { value: number }) {
  const t = useTranslate();
  const text = t('intensity_value', { value });
  return (
    <span className="meter-row">
      <span
        className="meter"
        role="meter"
        aria-label={t('intensity')}
        aria-valuemin={1}
        aria-valuemax={5}
        aria-valuenow={value}
        aria-valuetext={text}
      >
        {kSteps.map((step) => <span key={step} className="meter-step" data-on={step <= value || undefined} />)}
      </span>
      <span className="meter-text" aria-hidden="true">{text}</span>
    </span>
  );
}
