import { createTraceState, trace } from '@opentelemetry/api';
import fc from 'fast-check';
import { pinoLogger } from '../../../src/app/pino-logger';
import { activeTrace, spanOf, spanOfEvent, traceHeadersOf } from '../../../src/app/telemetry/trace-context';
import { MOST_LINKS, inReplaySpan, inSpan, spanOfStep, tracedCommands, tracesOf } from '../../../src/app/telemetry/tracing';
import { AvroSerde } from '../../../src/events/adapters/avro/serde';
import { MemorySchemaRegistry } from '../../../src/events/adapters/memory/schema-registry';
import { EventTypes } from '../../../src/events/event-types';
import { RefoldError } from '../../../src/kernel/errors';
import type { LogBatch } from '../../../src/events/event-log';
import type { RunnerEvent } from '../../../src/projections/engine/runner-parts';
import type { Generation } from '../../../src/projections/generations';
import { RecordedSpans, parentOf, traceparentOf } from '../../support/spans';
import { OrderErased, shopEvents } from '../../support/shop';

const hex = (length: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length }).filter((text) => /[^0]/.test(text));

const serdeWithTraces = async (): Promise<AvroSerde> => {
  const serde = new AvroSerde({ types: new EventTypes(shopEvents), registry: new MemorySchemaRegistry(), source: 'shop', trace: activeTrace });
  await serde.start();
  return serde;
};

describe('W3C trace context in headers', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.boolean(), (traceId, spanId, sampled) => {
        const span = { traceId, spanId, traceFlags: sampled ? 1 : 0 };
        expect(spanOf(traceHeadersOf(span).traceparent!)).toEqual({ ...span, isRemote: true });
      }),
    );
  });

  it.each([
    ['00-00000000000000000000000000000000-00f067aa0ba902b7-01', 'no trace'],
    ['00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01', 'no span'],
    ['ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', 'a version that there is not'],
    ['00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more', 'more than its version has'],
    ['00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01', 'capital letters'],
    ['', 'nothing'],
  ])('%s is none: %s', (text) => {
    expect(spanOf(text)).toBeUndefined();
  });

  it('of a later version is read as far as it is known', () => {
    expect(spanOf('cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes')).toMatchObject({ spanId: '00f067aa0ba902b7', traceFlags: 1 });
  });

  it('of the event counts more than that of its transport, and both are taken', () => {
    const [own, plain] = ['a', 'b'].map((digit) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`);
    expect(spanOfEvent({ ce_traceparent: own!, ce_tracestate: 'x=1', traceparent: plain! })).toMatchObject({ spanId: 'a'.repeat(16) });
    expect(spanOfEvent({ ce_traceparent: own!, ce_tracestate: 'x=1' })?.traceState?.get('x')).toBe('1');
    expect(spanOfEvent({ traceparent: plain! })).toMatchObject({ spanId: 'b'.repeat(16) });
    expect(spanOfEvent({})).toBeUndefined();
    expect(traceHeadersOf({ traceId: 'a', spanId: 'b', traceFlags: 1, traceState: createTraceState('x=1') })).toMatchObject({ tracestate: 'x=1' });
  });
});

describe('without an SDK', () => {
  it('events carry no trace, log lines no trace id, and work goes on as it would', async () => {
    const serde = await serdeWithTraces();
    const lines: string[] = [];
    await inSpan('work', {}, async (span) => {
      expect(span.isRecording()).toBe(false);
      expect(Object.keys(serde.encode(new OrderErased('a')).headers).filter((name) => name.includes('trace'))).toEqual([]);
      pinoLogger({ level: 'info', write: (line) => lines.push(line) }).log('info', 'here');
    });
    expect(lines[0]).not.toContain('trace_id');
    await expect(inSpan('work', {}, () => Promise.reject(new TypeError('mine')))).rejects.toThrow('mine');
  });

  it('nothing of a batch is read', () => {
    const unread = new Proxy([], { get: assertUnread }) as unknown as readonly LogBatch[];
    tracesOf('shop').runner({ projection: 'p' } as Generation, committed(unread));
  });
});

const AT = Date.UTC(2026, 0, 1);

const assertUnread = (): never => {
  throw new Error('it was read');
};

const committed = (batches: readonly LogBatch[]): RunnerEvent => ({
  kind: 'committed',
  advances: [],
  upserts: [],
  deletes: [],
  merges: [],
  batches,
  figures: { startedAt: AT, oldestAt: AT, committedAt: AT + 250, loadMs: 1, foldMs: 2, commitMs: 3, cacheHits: 0, cacheMisses: 0, cacheBytes: 0 },
});

const batchOf = (traceparents: readonly (string | undefined)[]): LogBatch => ({
  topic: 'orders',
  partition: 0,
  from: 0,
  next: traceparents.length,
  records: traceparents.map((ce_traceparent) => ({ headers: ce_traceparent === undefined ? {} : { ce_traceparent } })) as unknown as LogBatch['records'],
});

describe('with an SDK', () => {
  let spans: RecordedSpans;
  beforeAll(() => {
    spans = new RecordedSpans();
  });
  afterEach(() => {
    spans.forget();
  });
  afterAll(() => {
    spans[Symbol.dispose]();
  });

  it('a command is a span, its events carry it, and so do log lines within', async () => {
    const serde = await serdeWithTraces();
    const lines: string[] = [];
    const context = { command: new OrderErased('a') as never, commandId: 'c1', correlationId: 'c1', aggregate: 'order', stream: 'a' };
    let headers: Readonly<Record<string, string>> = {};
    await tracedCommands('shop')(context, async () => {
      headers = serde.encode(new OrderErased('a')).headers;
      pinoLogger({ level: 'info', write: (line) => lines.push(line) }).log('info', 'here');
      return { commandId: 'c1', aggregate: 'order', stream: 'a', result: undefined, version: 1, events: 1, repeated: false };
    });
    const [span] = spans.named('command OrderErased');
    expect(headers['ce_traceparent']).toBe(traceparentOf(span!.spanContext()));
    expect(span!.attributes).toMatchObject({ 'refold.app': 'shop', 'refold.aggregate': 'order', 'refold.command_id': 'c1', 'refold.events': 1 });
    expect(JSON.parse(lines[0]!)).toMatchObject({ trace_id: span!.spanContext().traceId, span_id: span!.spanContext().spanId });
    const given = { traceparent: traceparentOf({ ...span!.spanContext(), spanId: 'c'.repeat(16) }) };
    expect(serde.encode(new OrderErased('a'), given).headers['ce_traceparent']).toBe(given.traceparent);
  });

  it('what fails ends its span with the error', async () => {
    const error = new RefoldError('store.unreachable', 'gone');
    await expect(inSpan('work', {}, () => Promise.reject(error))).rejects.toBe(error);
    const [span] = spans.named('work');
    expect(span!.status).toMatchObject({ code: 2, message: error.message });
    expect(span!.attributes['error.type']).toBe('store.unreachable');
    expect(span!.events.map(({ name }) => name)).toEqual(['exception']);
  });

  it("a handler is a child of its event's span, by whomever it was written", async () => {
    const { around } = tracesOf('shop');
    const record = { topic: 'orders', partition: 3, offset: 7, headers: { ce_id: 'e', ce_traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` } };
    const handling = { reactor: 'mails', type: 'shop.OrderErased', attempt: 2, record: record as never };
    const inner = await around(handling, async () => trace.getActiveSpan()?.spanContext());
    const [span] = spans.named('react mails');
    expect(span!.spanContext()).toMatchObject({ traceId: 'a'.repeat(32), spanId: inner!.spanId });
    expect(parentOf(span!)).toBe('b'.repeat(16));
    expect(span!.attributes).toMatchObject({ 'refold.attempt': 2, 'refold.offset': 7, 'messaging.message.id': 'e' });
    await around({ ...handling, record: { ...record, headers: {} } as never }, async () => undefined);
    expect(parentOf(spans.named('react mails')[1]!)).toBeUndefined();
  });

  it('a batch is one span, over the time of its folding, and names each trace of its events once, up to a bound', () => {
    const of = (n: number): string => `00-${'a'.repeat(32)}-${n.toString(16).padStart(16, '0')}-01`;
    tracesOf('shop').runner({ projection: 'p', store: 'postgres', version: 2, run: 1, app: 'shop' } as Generation, committed([batchOf([of(1), undefined, of(1), 'nonsense']), batchOf([of(2)])])); // prettier-ignore
    const [span, ...more] = spans.named('fold p');
    expect(more).toEqual([]);
    expect(span!.links.map((link) => link.context.spanId)).toEqual(['0000000000000001', '0000000000000002']);
    expect([span!.startTime, span!.endTime]).toEqual([[AT / 1_000, 0], [AT / 1_000, 250_000_000]]); // prettier-ignore
    expect(span!.attributes).toMatchObject({ 'refold.generation': 'v2.r1', 'refold.commit_ms': 3 });
    spans.forget();
    tracesOf('shop').runner({ projection: 'p' } as Generation, committed([batchOf(Array.from({ length: 100 }, (_, i) => of(i + 1)))]));
    expect(spans.named('fold p')[0]!.links).toHaveLength(MOST_LINKS);
  });

  it('the steps of a replay are spans within its command, one after the other; outside of one there are none', async () => {
    await inReplaySpan('run', { 'refold.replay': 4 }, async () => {
      spanOfStep({ replay: 4, step: 'provisioning' });
      spanOfStep({ replay: 4, step: 'replaying' });
    });
    spanOfStep({ replay: 4, step: 'ready' });
    const [run] = spans.named('replay run');
    const steps = spans.named('replay step');
    expect(steps.map(({ name }) => name)).toEqual(['replay step provisioning', 'replay step replaying']);
    expect(steps.map(parentOf)).toEqual([run!.spanContext().spanId, run!.spanContext().spanId]);
    expect(steps[1]!.startTime).toEqual(steps[0]!.endTime);
  });

  it('publishing is a span', () => {
    tracesOf('shop').relay({ kind: 'published', events: 3, startedAt: AT, ms: 20 });
    tracesOf('shop').relay({ kind: 'leads' });
    expect(spans.named('publish').map(({ attributes }) => attributes['messaging.batch.message_count'])).toEqual([3]);
  });
});
