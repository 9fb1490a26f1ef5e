import { createTraceState, isSpanContextValid, trace, type SpanContext } from '@opentelemetry/api';
import { CE } from '../../events/cloudevents';
import type { Headers } from '../../events/event-log';
import type { TraceHeaders } from '../../events/event-serde';

/** The plain header, as instrumented producers that know nothing of CloudEvents write it. */
const PLAIN = { traceparent: 'traceparent', tracestate: 'tracestate' } as const;

/** W3C Trace Context: version, trace, span, flags; a later version may say more behind them. */
const TRACEPARENT = /^(?:00|(?!ff)([0-9a-f]{2}))-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

const two = (flags: number): string => (flags & 0xff).toString(16).padStart(2, '0');

/** Pure: the span that a `traceparent` names; `undefined` where it names none. */
export const spanOf = (traceparent: string, tracestate?: string): SpanContext | undefined => {
  const [, later, traceId, spanId, flags, more] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined || (later === undefined && more !== undefined)) {
    return undefined;
  }
  const span: SpanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & 1, isRemote: true };
  return isSpanContextValid(span) ? { ...span, ...(tracestate ? { traceState: createTraceState(tracestate) } : {}) } : undefined;
};

/** The span in which an event came to be, by its headers. */
export const spanOfEvent = (headers: Headers): SpanContext | undefined => {
  const own = headers[CE.traceparent];
  if (own !== undefined) {
    return spanOf(own, headers[CE.tracestate]);
  }
  const plain = headers[PLAIN.traceparent];
  return plain === undefined ? undefined : spanOf(plain, headers[PLAIN.tracestate]);
};

/** Pure: a span as headers carry it. */
export const traceHeadersOf = ({ traceId, spanId, traceFlags, traceState }: SpanContext): TraceHeaders => {
  const tracestate = traceState?.serialize() ?? '';
  return { traceparent: `00-${traceId}-${spanId}-${two(traceFlags)}`, ...(tracestate === '' ? {} : { tracestate }) };
};

/** The span that is active here; `undefined`: none, which is always so where no SDK is registered. */
export const activeSpan = (): SpanContext | undefined => {
  const span = trace.getActiveSpan()?.spanContext();
  return span !== undefined && isSpanContextValid(span) ? span : undefined;
};

/** What events that are written now carry. */
export const activeTrace = (): TraceHeaders | undefined => {
  const span = activeSpan();
  return span === undefined ? undefined : traceHeadersOf(span);
};
