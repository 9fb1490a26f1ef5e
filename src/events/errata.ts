import { RefoldError } from '../kernel/errors';
import type { LogBatch, LogRecord } from './event-log';
import { CE } from './cloudevents';
import { partitionId, type PartitionId, type Position } from './position';

/** What is read in the place of a wrong event. */
export interface Replacement {
  /** Registered name of the event type. */
  readonly type: string;
  /** The fields as JSON, in the order of the schema: for people. */
  readonly event: string;
  /** In the wire format: for readers, whose upcasters take it like any other event. */
  readonly value: Buffer;
  /** Event time, milliseconds since the epoch. */
  readonly time: number;
}

/** What somebody has decided about the event at a position. Nothing of it ever changes; whatever is decided later is another one. */
export interface NewErratum extends Position {
  /** skip: read as if it were not there; replace: read as another event; withdraw: read as it lies in the log again. */
  readonly action: 'skip' | 'replace' | 'withdraw';
  /** CloudEvents id of the event in the log, empty where it has none. */
  readonly eventId: string;
  readonly replacement: Replacement | undefined;
  /** Version of the erratum that a withdrawal takes back. */
  readonly withdraws: number | undefined;
  /** The stream time may be another with it, so nothing less than a replay of everything applies it. */
  readonly fullReplay: boolean;
  readonly reason: string;
  readonly by: string;
}

/** Errata are numbered from 1 without gaps: version n of the overlay is the first n of them. */
export interface Erratum extends NewErratum {
  readonly version: number;
  /** When it was decided, milliseconds since the epoch. */
  readonly at: number;
}

/** Port to the errata of an application. */
export interface ErrataBook {
  /** The newest version; 0: there are none. */
  version(): Promise<number>;
  /** The errata of a version of the overlay, oldest first. @param upTo default: the newest version */
  list(upTo?: number): Promise<readonly Erratum[]>;
  /**
   * Adds one under the next version, one caller after the other: whoever sees a version sees all lower ones.
   * @throws RefoldError `errata.not-in-force` if it withdraws one that is not the newest of its position
   */
  add(erratum: NewErratum): Promise<Erratum>;
}

/** How a generation reads the log: the errata in force by partition and offset. */
export type ErrataOverlay = ReadonlyMap<PartitionId, ReadonlyMap<number, Erratum>>;

export const NO_ERRATA: ErrataOverlay = new Map();

/** Pure: the newest erratum of each position counts; a withdrawal leaves none. */
export const overlayOf = (errata: readonly Erratum[]): ErrataOverlay => {
  const overlay = new Map<PartitionId, Map<number, Erratum>>();
  for (const erratum of [...errata].sort((a, b) => a.version - b.version)) {
    const id = partitionId(erratum);
    const offsets = overlay.get(id) ?? new Map<number, Erratum>();
    overlay.set(id, offsets);
    if (erratum.action === 'withdraw') {
      offsets.delete(erratum.offset);
    } else {
      offsets.set(erratum.offset, erratum);
    }
  }
  return overlay;
};

/** Asked for every record, mostly where there are none at all. */
export const erratumAt = (overlay: ErrataOverlay, position: Position): Erratum | undefined =>
  overlay.size === 0 ? undefined : overlay.get(partitionId(position))?.get(position.offset);

/** Key, position, id and time of appending stay those of the record in the log. */
const replaced = (record: LogRecord, { version, replacement }: Erratum): LogRecord => {
  if (replacement === undefined) {
    return record;
  }
  const { type, value, time } = replacement;
  return { ...record, value, headers: { ...record.headers, [CE.type]: type, [CE.time]: new Date(time).toISOString() }, erratum: version };
};

/**
 * A topic that was made anew has other events at the positions of the old one.
 * @throws RefoldError `errata.event-changed` if the record is not the one that the erratum at its position was recorded for
 */
export const requireSameEvent = (overlay: ErrataOverlay, record: LogRecord): void => {
  const erratum = erratumAt(overlay, record);
  const id = record.headers[CE.id] ?? '';
  if (erratum !== undefined && erratum.eventId !== id) {
    const { topic, partition, offset, version } = erratum;
    throw new RefoldError('errata.event-changed', `erratum ${String(version)} was recorded for event ${erratum.eventId}, the log holds ${id}`, {
      facts: { topic, partition, offset, version },
    });
  }
};

/** Pure: the batch with replaced events in the place of wrong ones. Skipped ones stay: they are counted. */
export const withReplacements = (batch: LogBatch, overlay: ErrataOverlay): LogBatch => {
  const offsets = overlay.get(partitionId(batch));
  if (offsets === undefined || offsets.size === 0) {
    return batch;
  }
  const records = batch.records.map((record) => {
    const erratum = offsets.get(record.offset);
    return erratum === undefined ? record : replaced(record, erratum);
  });
  return { ...batch, records };
};

/** For books: the version, if it is the one that counts at its position. @throws RefoldError `errata.unknown`, `errata.not-in-force` */
export const requireInForce = (errata: readonly Erratum[], version: number): Erratum => {
  const found = errata.find((erratum) => erratum.version === version);
  if (found === undefined) {
    throw new RefoldError('errata.unknown', `there is no erratum ${String(version)}`, { facts: { version, newest: errata.length } });
  }
  const newest = errata.findLast((erratum) => partitionId(erratum) === partitionId(found) && erratum.offset === found.offset)!;
  if (newest.version !== version || found.action === 'withdraw') {
    const facts = { version, since: newest.version, action: newest.action };
    throw new RefoldError('errata.not-in-force', `erratum ${String(version)} is not in force`, { facts });
  }
  return found;
};
