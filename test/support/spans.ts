import { context, trace, type SpanContext } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base';

/** An SDK registered for this process, as an application would; what it records is kept here. */
export class RecordedSpans implements Disposable {
  readonly #exporter = new InMemorySpanExporter();

  constructor() {
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#exporter)] }));
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  }

  /** The spans that have ended, by the beginning of their name. */
  named(name: string): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans().filter((span) => span.name.startsWith(name));
  }

  forget(): void {
    this.#exporter.reset();
  }

  [Symbol.dispose](): void {
    trace.disable();
    context.disable();
  }
}

/** The span that this one is a child of. */
export const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;

export const traceparentOf = ({ traceId, spanId }: SpanContext): string => `00-${traceId}-${spanId}-01`;
