/**
 * Incremental parser of a text/event-stream body. Chunks may be cut anywhere, inside a line ending too.
 * Only `data` matters to this page; other fields and comments are skipped as the standard asks.
 */
export class SseParser {
  private buffer = '';
  private data: string[] = [];
  private atStart = true;
  private skipLineFeed = false;

  /** Takes the next decoded chunk and returns the data of each event it completed. */
  push(chunk: string): string[] {
    if (this.atStart && chunk.length > 0) {
      this.atStart = false;
      if (chunk.startsWith('\uFEFF')) chunk = chunk.slice(1);
    }
    const events: string[] = [];
    let lineStart = 0;
    for (let i = 0; i < chunk.length; i++) {
      const unit = chunk[i];
      if (this.skipLineFeed) {
        // The second half of a CR LF whose CR has already ended the line.
        this.skipLineFeed = false;
        if (unit === '\n') {
          lineStart = i + 1;
          continue;
        }
      }
      if (unit !== '\n' && unit !== '\r') continue;
      const line = this.buffer + chunk.slice(lineStart, i);
      this.buffer = '';
      lineStart = i + 1;
      this.skipLineFeed = unit === '\r';
      const event = this.takeLine(line);
      if (event !== null) events.push(event);
    }
    this.buffer += chunk.slice(lineStart);
    return events;
  }

  private takeLine(line: string): string | null {
    if (line === '') {
      if (this.data.length === 0) return null;
      const event = this.data.join('\n');
      this.data = [];
      return event;
    }
    if (line === 'data') {
      this.data.push('');
    } else if (line.startsWith('data:')) {
      this.data.push(line.startsWith('data: ') ? line.slice(6) : line.slice(5));
    }
    return null;
  }
}
