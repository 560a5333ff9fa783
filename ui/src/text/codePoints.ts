// The server counts Unicode code points, JavaScript strings count UTF-16 units.

const kLowSurrogateFirst = 0xdc00;
const kLowSurrogateLast = 0xdfff;
const kHighSurrogateFirst = 0xd800;

function isLowSurrogateOfPair(text: string, i: number): boolean {
  const unit = text.charCodeAt(i);
  if (unit < kLowSurrogateFirst || unit > kLowSurrogateLast || i === 0) return false;
  const before = text.charCodeAt(i - 1);
  return before >= kHighSurrogateFirst && before < kLowSurrogateFirst;
}

export function countCodePoints(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    if (isLowSurrogateOfPair(text, i)) count--;
  }
  return count;
}

/** Turns code point offsets of one text into UTF-16 offsets; built once per analysed text. */
export class CodePointIndex {
  static readonly kStride = 1024;
  /** UTF-16 offset of every kStride-th code point. */
  private readonly checkpoints: number[] = [];
  readonly length: number;

  constructor(private readonly text: string) {
    let codePoints = 0;
    for (let i = 0; i < text.length; i++) {
      if (isLowSurrogateOfPair(text, i)) continue;
      if (codePoints % CodePointIndex.kStride === 0) this.checkpoints.push(i);
      codePoints++;
    }
    this.length = codePoints;
  }

  /** Offsets outside of the text are clamped to it. */
  toUtf16(codePoint: number): number {
    if (!(codePoint > 0)) return 0;
    if (codePoint >= this.length) return this.text.length;
    let unit = this.checkpoints[Math.floor(codePoint / CodePointIndex.kStride)] ?? 0;
    for (let left = codePoint % CodePointIndex.kStride; left > 0; left--) {
      unit += isLowSurrogateOfPair(this.text, unit + 1) ? 2 : 1;
    }
    return unit;
  }
}
