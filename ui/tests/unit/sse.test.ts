import { describe, expect, it } from 'vitest';
import { latestOfEachRun, parseStreamEvent } from '../../src/api/client';
import { SseParser } from '../../src/api/sse';
import type { StreamEvent } from '../../src/api/types';

const kStream = 'data: {"a":1}\n\n: comment\nevent: x\ndata: first\ndata:second\r\n\r\nid: 7\n\ndata\n\ndata: 深析😀\r\rdata: unfinished';
const kEvents = ['{"a":1}', 'first\nsecond', '', '深析😀'];

describe('SseParser', () => {
  it('reads a stream that comes whole', () => {
    expect(new SseParser().push(kStream)).toEqual(kEvents);
  });

  it('reads the same from every pair of chunks', () => {
    for (let cut = 0; cut <= kStream.length; cut++) {
      const parser = new SseParser();
      expect([...parser.push(kStream.slice(0, cut)), ...parser.push(kStream.slice(cut))]).toEqual(kEvents);
    }
  });

  it('reads the same one character at a time, with empty chunks between', () => {
    const parser = new SseParser();
    const events = [...kStream].flatMap((character) => [...parser.push(''), ...parser.push(character)]);
    expect(events).toEqual(kEvents);
  });

  it('drops a byte order mark at the start only', () => {
    const parser = new SseParser();
    expect(parser.push('\uFEFFdata: a\n\ndata: \uFEFFb\n\n')).toEqual(['a', '\uFEFFb']);
  });

  it('keeps what is not yet ended', () => {
    const parser = new SseParser();
    expect(parser.push('data: a\n')).toEqual([]);
    expect(parser.push('\n')).toEqual(['a']);
  });
});

describe('parseStreamEvent', () => {
  it('takes the events of the protocol', () => {
    expect(parseStreamEvent('{"status":"queued","position":2}')).toEqual({ status: 'queued', position: 2 });
  });

  it.each(['', 'null', '[]', '"complete"', '{', '{"status":1}', '{"status":"later-invention"}'])('ignores %j', (data) => {
    expect(parseStreamEvent(data)).toBeNull();
  });
});

describe('latestOfEachRun', () => {
  it('keeps the newest of equal neighbours and never drops an ending', () => {
    const events: (StreamEvent | null)[] = [
      { status: 'reading', tokens_done: 1 },
      { status: 'reading', tokens_done: 2 },
      null,
      { status: 'reading', tokens_done: 3 },
      { status: 'writing', report: 'a' },
      { status: 'complete', report: 'b' },
    ];
    expect(latestOfEachRun(events)).toEqual([events[3], events[4], events[5]]);
  });
});
