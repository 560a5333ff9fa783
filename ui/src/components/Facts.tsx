import { useTranslate } from '../i18n';
import type { FactClaim } from '../report/claims';
import { claimAttributes, Reference, type ClaimLink } from './ClaimParts';

const kColumns = ['time', 'subject', 'action', 'result'] as const;

/** Explicit roles: the narrow layout turns rows into cards by CSS, and that would strip a table's meaning. */
export function Facts({ claims, link }: { claims: FactClaim[]; link: ClaimLink }) {
  const t = useTranslate();
  return (
    <table className="facts" role="table" aria-labelledby="part-facts">
      <thead role="rowgroup">
        <tr role="row">
          <th role="columnheader" scope="col" className="col-reference">
            <span className="visually-hidden">{t('col_reference')}</span>
          </th>
          {kColumns.map((column) => (
            <th key={column} role="columnheader" scope="col" className={`col-${column}`}>{t(`col_${column}`)}</th>
          ))}
          <th role="columnheader" scope="col" className="col-figures">{t('col_figures')}</th>
        </tr>
      </thead>
      <tbody role="rowgroup">
        {claims.map((claim) => (
          <tr key={claim.id} role="row" className="claim fact" {...claimAttributes(claim, link)}>
            <td role="cell" className="col-reference"><Reference claim={claim} /></td>
            {kColumns.map((column) => (
              <td key={column} role="cell" className={`col-${column}`} data-label={t(`col_${column}`)}>
                {claim.item[column]}
              </td>
            ))}
            <td role="cell" className="col-figures" data-label={t('col_figures')}>
              {claim.item.figures && claim.item.figures.length > 0 && (
                <span>{claim.item.figures.map((figure, i) => <span key={i} className="figure">{figure}</span>)}</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
