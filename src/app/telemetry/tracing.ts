import { ROOT_CONTEXT, SpanKind, SpanStatusCode, context, createContextKey, trace, type Attributes, type Context, type Span } from '@opentelemetry/api';
import { isRefoldError, messageOf } from '../../kernel/errors';
import type { CommandMiddleware } from '../../commands/command-bus';
import type { RelayEvent } from '../../commands/relay';
import { CE } from '../../events/cloudevents';
import type { CommittedBatch, RunnerEvent } from '../../projections/engine/runner-parts';
import { generationFacts, type Generation } from '../../projections/generations';
import type { AroundHandling } from '../../reactors/observation';
import type { StoreKind } from '../../projections/generations';
import type { ReplayObservation } from '../../replay/parts';
import { spanOfEvent } from './trace-context';
import type { Telemetry } from './telemetry';

/** A batch names at most so many traces of the events it folded: each of them once, the first ones. */
export const MOST_LINKS = 32;

/** Until an SDK is registered this records nothing; whenever one is, spans begin. */
const tracer = trace.getTracer('refold');

interface SpanGiven {
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** Default: what is active. */
  readonly parent?: Context;
}

const fail = (span: Span, error: unknown): void => {
  span.recordException(error instanceof Error ? error : messageOf(error));
  span.setStatus({ code: SpanStatusCode.ERROR, message: messageOf(error) });
  if (isRefoldError(error)) {
    span.setAttribute('error.type', error.code);
  }
};

/** Does the work in a span that is active meanwhile and ends with it. */
export const inSpan = <T>(name: string, given: SpanGiven, work: (span: Span) => Promise<T>): Promise<T> => {
  const { kind = SpanKind.INTERNAL, attributes = {}, parent = context.active() } = given;
  return tracer.startActiveSpan(name, { kind, attributes }, parent, async (span) => {
    try {
      return await work(span);
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
};

/** Every command in a span; its events carry it. */
export const tracedCommands =
  (app: string): CommandMiddleware =>
  (given, next) => {
    const command = given.command.constructor.name;
    const attributes = { 'refold.app': app, 'refold.aggregate': given.aggregate, 'refold.command': command, 'refold.command_id': given.commandId };
    return inSpan(`command ${command}`, { attributes }, async (span) => {
      const receipt = await next();
      return span.isRecording() ? (span.setAttributes({ 'refold.events': receipt.events, 'refold.repeated': receipt.repeated }), receipt) : receipt;
    });
  };

/** Appending events to the log without a command. */
export const tracedAppend = <T>(app: string, events: number, append: () => Promise<T>): Promise<T> =>
  inSpan('append', { kind: SpanKind.PRODUCER, attributes: { 'refold.app': app, 'messaging.batch.message_count': events } }, append);

/** Every call of a reactor's handler in a span, child of the one in which its event came to be. */
const aroundHandling =
  (app: string): AroundHandling =>
  ({ reactor, type, attempt, record }, handle) => {
    const parent = spanOfEvent(record.headers);
    const attributes = {
      'refold.app': app,
      'refold.reactor': reactor,
      'refold.event_type': type,
      'refold.attempt': attempt,
      'messaging.message.id': record.headers[CE.id] ?? '',
      'messaging.destination.name': record.topic,
      'messaging.destination.partition.id': String(record.partition),
      'refold.offset': record.offset,
    };
    const within = parent === undefined ? {} : { parent: trace.setSpanContext(ROOT_CONTEXT, parent) };
    return inSpan(`react ${reactor}`, { kind: SpanKind.CONSUMER, attributes, ...within }, handle);
  };

/** The traces of the events of a batch, each once. */
const linksOf = (batches: CommittedBatch['batches']) => {
  const links = new Map<string, NonNullable<ReturnType<typeof spanOfEvent>>>();
  for (const { records } of batches) {
    for (const { headers } of records) {
      const span = spanOfEvent(headers);
      if (span !== undefined) {
        links.set(`${span.traceId}/${span.spanId}`, span);
      }
      if (links.size >= MOST_LINKS) {
        return [...links.values()];
      }
    }
  }
  return [...links.values()];
};

/** One span per committed batch, made when it is over: the engine knows nothing of it, and of what is not recorded nothing is read. */
const spanOfBatch = (generation: Generation, { figures, advances, batches, upserts, deletes, merges }: CommittedBatch): void => {
  const span = tracer.startSpan(`fold ${generation.projection}`, { kind: SpanKind.CONSUMER, startTime: figures.startedAt, root: true });
  if (span.isRecording()) {
    const { projection, store, generation: build } = generationFacts(generation);
    // SDKs older than that method record the batch without its links.
    (span as Partial<Pick<Span, 'addLinks'>>).addLinks?.(linksOf(batches).map((one) => ({ context: one })));
    span.setAttributes({
      'refold.app': generation.app,
      'refold.projection': projection,
      'refold.store': store,
      'refold.generation': build,
      'messaging.batch.message_count': advances.reduce((total, { counters }) => total + counters.read, 0),
      'refold.partitions': advances.length,
      'refold.rows': upserts.length + deletes.length + merges.length,
      'refold.load_ms': figures.loadMs,
      'refold.fold_ms': figures.foldMs,
      'refold.commit_ms': figures.commitMs,
    });
  }
  span.end(Math.max(figures.startedAt, figures.committedAt));
};

const spanOfPublish = (app: string, { events, startedAt, ms }: Extract<RelayEvent, { readonly kind: 'published' }>): void => {
  const attributes = { 'refold.app': app, 'messaging.batch.message_count': events };
  tracer.startSpan('publish', { kind: SpanKind.PRODUCER, startTime: startedAt, root: true, attributes }).end(startedAt + ms);
};

/** When the step under way of a replay began. */
const STEP = createContextKey('refold replay step');

/** A command of the coordinator in a span; the steps that it persists become spans within it. */
export const inReplaySpan = <T>(operation: string, attributes: Attributes, work: () => Promise<T>): Promise<T> =>
  inSpan(`replay ${operation}`, { attributes, parent: context.active().setValue(STEP, { since: Date.now() }) }, work);

/** A step has just been persisted: it took the time since the one before. */
export const spanOfStep = ({ replay, step }: Pick<ReplayObservation, 'replay' | 'step'>): void => {
  const under = context.active().getValue(STEP) as { since: number } | undefined;
  if (under !== undefined) {
    const now = Date.now();
    tracer.startSpan(`replay step ${step}`, { startTime: under.since, attributes: { 'refold.replay': replay, 'refold.step': step } }).end(now);
    under.since = now;
  }
};

/** A store was switched: counts for how long new readers had to wait. */
export const countSwitch = ({ switched }: Pick<Telemetry, 'switched'>, { step, facts }: ReplayObservation): void => {
  if (step === 'cutting-over:switched') {
    switched(facts['store'] as StoreKind, facts['lockMs'] as number);
  }
};

/** Spans of what workers and relays do. */
export const tracesOf = (app: string): Pick<Telemetry, 'runner' | 'relay' | 'around'> => ({
  runner: (generation: Generation, event: RunnerEvent) => {
    if (event.kind === 'committed') {
      spanOfBatch(generation, event);
    }
  },
  relay: (event) => {
    if (event.kind === 'published') {
      spanOfPublish(app, event);
    }
  },
  around: aroundHandling(app),
});
