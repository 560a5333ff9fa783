export const kMaxFileBytes = 8 * 1024 * 1024;
export const kFileSuffixes = ['.txt', '.md'] as const;

export type FileProblem = 'file_kind' | 'file_size' | 'file_encoding' | 'file_count' | 'file_read';

export class FileError extends Error {
  constructor(readonly problem: FileProblem) {
    super(problem);
  }
}

export function hasTextSuffix(name: string): boolean {
  const lower = name.toLowerCase();
  return kFileSuffixes.some((suffix) => lower.endsWith(suffix));
}

/** Strict: a wrong guess of the encoding would silently analyse garbage. A byte order mark is dropped. */
export function decodeText(bytes: Uint8Array): string {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new FileError('file_encoding');
  }
  return normalizeLineEnds(text);
}

/** A text area reports its value with LF only; offsets must count what is shown. */
export function normalizeLineEnds(text: string): string {
  return text.replace(/\r\n?/g, '\n');
}

export async function readTextFile(file: Pick<File, 'name' | 'size' | 'arrayBuffer'>): Promise<string> {
  if (!hasTextSuffix(file.name)) throw new FileError('file_kind');
  if (file.size > kMaxFileBytes) throw new FileError('file_size');
  let bytes: ArrayBuffer;
  try {
    bytes = await file.arrayBuffer();
  } catch {
    // For example a folder named "x.txt", or a file without permission.
    throw new FileError('file_read');
  }
  return decodeText(new Uint8Array(bytes));
}
