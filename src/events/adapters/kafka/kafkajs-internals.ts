import { createRequire } from 'node:module';
import type { Kafka } from 'kafkajs';
import { RefoldError } from '../../../kernel/errors';

// Everything of kafkajs that its types do not show, and what is corrected in it. It is written for one version alone.

/** The version that all of this was read from. */
export const KAFKAJS_VERSION = '2.2.4';

const load = createRequire(__filename);

/** @throws RefoldError `internal.invariant` where another version is installed */
export const requireKafkajs = (installed: string): void => {
  if (installed !== KAFKAJS_VERSION) {
    throw new RefoldError('internal.invariant', `kafkajs ${installed} is installed; refold reads inside of kafkajs ${KAFKAJS_VERSION}`, {
      facts: { installed, expected: KAFKAJS_VERSION },
      remedy: `Let kafkajs be ${KAFKAJS_VERSION} exactly: take away what overrides it in package.json.`,
    });
  }
};

interface SentRequest {
  readonly sentAt: number;
  readonly requestTimeout: number;
  timeoutRequest(): void;
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  readonly inflight: ReadonlyMap<number, SentRequest>;
  readonly throttledUntil: number;
  readonly requestTimeout: number;
  readonly enforceRequestTimeout: boolean;
  throttleCheckTimeoutId: NodeJS.Timeout | null;
  requestTimeoutIntervalId: NodeJS.Timeout | null | undefined;
  isConnected(): boolean;
  checkPendingRequests(): void;
  scheduleRequestTimeoutCheck(): void;
}

/** The methods of the queue that are replaced. */
interface QueueMethods {
  scheduleCheckPendingRequests(this: RequestQueue): void;
  scheduleRequestTimeoutCheck(this: RequestQueue): void;
  sendSocketRequest(this: RequestQueue, request: unknown): void;
  destroy(this: RequestQueue): void;
}

const CHECK_MS = 10;

/** The library looks every millisecond, on every connection, whether something waits to be sent; this one looks while something does. */
function checkWhileSomethingWaits(this: RequestQueue): void {
  if (this.throttleCheckTimeoutId !== null || this.pending.length === 0) {
    return;
  }
  this.throttleCheckTimeoutId = setTimeout(
    () => {
      this.throttleCheckTimeoutId = null;
      this.checkPendingRequests();
    },
    Math.max(CHECK_MS, this.throttledUntil - Date.now()),
  );
}

/**
 * The library ends this check with a connection, and some of its ways to hang up meet a connection that is there again: what was
 * sent on that then waits for an answer for ever. This one goes on as long as anything is under way.
 */
function checkWhileSomethingIsUnderWay(this: RequestQueue): void {
  if (!this.enforceRequestTimeout) {
    return;
  }
  clearInterval(this.requestTimeoutIntervalId ?? undefined);
  this.requestTimeoutIntervalId = setInterval(
    () => {
      for (const request of [...this.inflight.values()]) {
        if (Date.now() - request.sentAt > request.requestTimeout) {
          request.timeoutRequest();
        }
      }
      if (this.inflight.size === 0 && !this.isConnected()) {
        endTimeoutCheck(this);
      }
    },
    Math.min(this.requestTimeout, 100),
  );
}

const endTimeoutCheck = (queue: RequestQueue): void => {
  clearInterval(queue.requestTimeoutIntervalId ?? undefined);
  queue.requestTimeoutIntervalId = null;
};

function destroyWhatIsIdle(this: RequestQueue): void {
  if (this.inflight.size === 0) {
    endTimeoutCheck(this);
  }
  clearTimeout(this.throttleCheckTimeoutId ?? undefined);
  this.throttleCheckTimeoutId = null;
}

interface Connection {
  chunks: Buffer[];
  bytesBuffered: number;
  bytesNeeded: number;
  isConnected(): boolean;
}

const SIZE_BYTES = 4;
const connecting = new WeakMap<Connection, Promise<unknown>>();

/**
 * The library keeps half an answer of the connection before and reads it in front of what comes on the new one, and opens two
 * sockets where two requests find that there is none: the end of the one that nobody uses ends the other as well.
 */
const connectsOnce = (connect: (this: Connection) => Promise<unknown>) =>
  function (this: Connection): Promise<unknown> {
    const known = connecting.get(this);
    if (known !== undefined || this.isConnected()) {
      return known ?? Promise.resolve(true);
    }
    Object.assign(this, { chunks: [], bytesBuffered: 0, bytesNeeded: SIZE_BYTES });
    const made = connect.call(this).finally(() => connecting.delete(this));
    connecting.set(this, made);
    return made;
  };

let isReady = false;

/** Checks the version and corrects the library, once per process. @throws RefoldError `internal.invariant` */
export const correctKafkajs = (): void => {
  if (!isReady) {
    requireKafkajs((load('kafkajs/package.json') as { readonly version: string }).version);
    const { prototype } = load('kafkajs/src/network/requestQueue') as { readonly prototype: QueueMethods };
    const { sendSocketRequest: send } = prototype as { readonly sendSocketRequest: (this: RequestQueue, request: unknown) => void };
    prototype.scheduleCheckPendingRequests = checkWhileSomethingWaits;
    prototype.scheduleRequestTimeoutCheck = checkWhileSomethingIsUnderWay;
    prototype.destroy = destroyWhatIsIdle;
    prototype.sendSocketRequest = function (request) {
      send.call(this, request);
      if ((this.requestTimeoutIntervalId ?? null) === null) {
        this.scheduleRequestTimeoutCheck();
      }
    };
    const { prototype: connection } = load('kafkajs/src/network/connection') as { readonly prototype: { connect: (this: Connection) => Promise<unknown> } };
    connection.connect = connectsOnce(connection.connect);
    isReady = true;
  }
};

/** A request in the protocol's own bytes, behind the header that the library writes. */
export interface ProtocolRequest<Answer> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    readonly expectResponse: () => boolean;
    /** In what the library takes for one of its encoders. */
    readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };
  readonly response: { readonly decode: (data: Buffer) => Promise<Answer>; readonly parse: (answer: Answer) => Promise<Answer> };
}

/** The part of the library's broker that is used: it connects, signs in and tells answers apart. */
export interface Broker {
  initProducerId(request: { readonly transactionTimeout: number }): Promise<{ readonly producerId: unknown; readonly producerEpoch: number }>;
  readonly connectionPool: { send<Answer>(request: ProtocolRequest<Answer>): Promise<Answer> };
  disconnect(): Promise<void>;
}

/** Sends a request of ours. As the library does, hangs up after a connection was lost, so that the next request connects anew. */
export const sendTo = async <Answer>(broker: Broker, request: ProtocolRequest<Answer>): Promise<Answer> => {
  try {
    return await broker.connectionPool.send(request);
  } catch (error) {
    if ((error as { readonly name?: unknown }).name === 'KafkaJSConnectionClosedError') {
      await broker.disconnect();
    }
    throw error;
  }
};

/** The part of the library's cluster that is used for fetching and writing. */
export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addMultipleTargetTopics(topics: readonly string[]): Promise<void>;
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  removeBroker(address: { readonly host: string; readonly port: number }): void;
  findLeaderForPartitions(topic: string, partitions: readonly number[]): Readonly<Record<string, readonly number[]>>;
  findBroker(node: { readonly nodeId: string }): Promise<Broker>;
  findControllerBroker(): Promise<Broker>;
}

interface ClusterOptions {
  readonly metadataMaxAge: number;
  readonly allowAutoTopicCreation: boolean;
  readonly maxInFlightRequests: null;
  readonly isolationLevel: number;
}

/** @throws RefoldError `internal.invariant` */
export const createCluster = (kafka: Kafka, options: ClusterOptions): Cluster => {
  const symbol = Object.getOwnPropertySymbols(kafka).find((one) => one.description === 'private:Kafka:createCluster');
  if (symbol === undefined) {
    throw new RefoldError('internal.invariant', 'this version of kafkajs is not the one that refold is built for');
  }
  return (kafka as unknown as Record<symbol, (options: ClusterOptions) => Cluster>)[symbol]!(options);
};
