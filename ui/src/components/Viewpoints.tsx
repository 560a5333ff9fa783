import { translateValue, useTranslate } from '../i18n';
import type { ViewpointClaim } from '../report/claims';
import { claimAttributes, Quote, Reference, type ClaimLink } from './ClaimParts';

export function Viewpoints({ claims, link }: { claims: ViewpointClaim[]; link: ClaimLink }) {
  const t = useTranslate();
  return (
    <ol className="viewpoints">
      {claims.map((claim) => (
        <li key={claim.id} className="claim viewpoint" {...claimAttributes(claim, link)}>
          <Reference claim={claim} />
          <div className="claim-content">
            <p className="statement">
              {claim.item.kind && (
                <span className="kind" data-kind={claim.item.kind}>{translateValue(t, 'kind', claim.item.kind)}</span>
              )}
              {claim.item.statement}
            </p>
            <Quote claim={claim} />
          </div>
        </li>
      ))}
    </ol>
  );
}
