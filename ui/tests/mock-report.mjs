// Makes a report out of any text, so that the page can be driven without a model. Test code only.

const kNames = {
  zh: { viewpoints: '核心观点', facts: '关键信息', sentiment: '潜在情感' },
  en: { viewpoints: 'Core viewpoints', facts: 'Key information', sentiment: 'Underlying sentiment' },
};

/** Sentences with their offsets in code points. */
function sentencesOf(text) {
  const codePoints = [...text];
  const sentences = [];
  let start = 0;
  for (let i = 0; i <= codePoints.length; i++) {
    const isEnd = i === codePoints.length || '。！？!?\n'.includes(codePoints[i]) || endsEnglish(codePoints, i);
    if (!isEnd) continue;
    let from = start;
    while (from < i && /\s/.test(codePoints[from])) from++;
    const end = Math.min(i + 1, codePoints.length);
    const quote = codePoints.slice(from, end).join('').trimEnd();
    if (quote !== '') sentences.push({ quote, start: from, end: from + [...quote].length });
    start = end;
  }
  return sentences;
}

function endsEnglish(codePoints, i) {
  return codePoints[i] === '.' && (codePoints[i + 1] === ' ' || codePoints[i + 1] === undefined);
}

function figuresOf(quote) {
  return [...quote.matchAll(/[$€]?\d[\d.,-]*(?:%|万辆|万元| million| billion)?/g)].map((match) => match[0]).slice(0, 6);
}

export function makeResult(text, languageChoice) {
  const isChinese = /\p{Script=Han}/u.test(text);
  const language = languageChoice === 'zh' || languageChoice === 'en' ? languageChoice : isChinese ? 'zh' : 'en';
  const zh = language === 'zh';
  const sentences = sentencesOf(text);
  const kinds = ['stance', 'judgement', 'claim'];
  const viewpoints = sentences.slice(0, 3).map((evidence, i) => ({
    evidence,
    kind: kinds[i],
    statement: zh ? `作者认为：${evidence.quote.slice(0, 40)}` : `The author holds that “${evidence.quote.slice(0, 70)}”.`,
  }));
  const facts = sentences
    .filter((sentence) => /\d/.test(sentence.quote))
    .slice(0, 6)
    .map((evidence) => {
      const words = evidence.quote.split(/[，,]/);
      return {
        evidence,
        time: evidence.quote.match(/\d{4}年?(?:Q\d)?/)?.[0] ?? '',
        subject: (words[0] ?? '').slice(0, 24),
        action: (words[1] ?? '').slice(0, 24),
        result: (words[2] ?? '').slice(0, 30),
        figures: figuresOf(evidence.quote),
      };
    });
  const last = sentences.at(-1) ?? { quote: '', start: 0, end: 0 };
  return {
    language,
    core_viewpoints: viewpoints,
    key_information: facts,
    underlying_sentiment: {
      evidence: last,
      surface_tone: zh ? '客观、克制的陈述' : 'Measured and factual',
      underlying_attitude: zh ? '对前景审慎乐观，同时留有疑虑' : 'Cautious optimism with a doubt held back',
      polarity: 'mixed',
      intensity: 3,
      confidence: 'medium',
    },
  };
}

export function makeMarkdown(result) {
  const names = kNames[result.language];
  const lines = [`## ${names.viewpoints}`, ''];
  for (const item of result.core_viewpoints ?? []) lines.push(`- ${item.statement ?? ''}`, `  > ${item.evidence?.quote ?? ''}`);
  lines.push('', `## ${names.facts}`, '');
  for (const item of result.key_information ?? []) {
    lines.push(`- ${[item.time, item.subject, item.action, item.result, ...(item.figures ?? [])].filter(Boolean).join(' | ')}`);
  }
  if (result.underlying_sentiment) {
    lines.push('', `## ${names.sentiment}`, '', `- ${result.underlying_sentiment.underlying_attitude ?? ''}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The result as it grows: item by item, and each item field by field in the order of the protocol. */
export function* growingResults(result) {
  const soFar = { language: result.language, core_viewpoints: [], key_information: [] };
  for (const key of ['core_viewpoints', 'key_information']) {
    for (const item of result[key]) {
      for (const partial of growingItem(item)) {
        yield structuredClone({ ...soFar, [key]: [...soFar[key], partial] });
      }
      soFar[key].push(item);
    }
  }
  for (const partial of growingItem(result.underlying_sentiment)) {
    yield structuredClone({ ...soFar, underlying_sentiment: partial });
  }
}

function* growingItem(item) {
  const { quote } = item.evidence;
  // A quote that is still growing has no end yet.
  yield { evidence: { quote: quote.slice(0, Math.ceil(quote.length / 2)) } };
  const partial = {};
  for (const [key, value] of Object.entries(item)) {
    partial[key] = value;
    yield { ...partial };
  }
}
