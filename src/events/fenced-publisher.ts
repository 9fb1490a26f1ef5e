import type { LogRecord, NewRecord } from './event-log';
import type { Position } from './position';

/** A record whose partition was chosen beforehand. */
export interface PlacedRecord extends NewRecord {
  readonly partition: number;
}

/**
 * Port to publishing exactly once to a log that shares no transaction with the journal. One publisher per name is in
 * charge: whoever fenced last. After any error it has to `fence` again, and what it was publishing is in the log or not.
 */
export interface FencedPublisher {
  /** Shuts out every publisher that fenced before under this name: none of them writes any more, and what they had begun is decided. @throws RefoldError `log.unreachable` */
  fence(): Promise<void>;
  /**
   * Appends all of the records or none, in the order given per partition; answers their positions.
   * @throws RefoldError `relay.lease-held` (shut out by another publisher), `log.unreachable`, `log.unknown-topic`
   */
  publish(records: readonly PlacedRecord[]): Promise<readonly Position[]>;
  /**
   * Tells every committed record of these partitions, from the positions to where they ended when it was called, in order per
   * partition: after `fence`, nothing published under this name is missing.
   * @throws RefoldError `relay.log-unsettled`, `log.truncated`, `log.unreachable`
   */
  readToEnd(from: readonly Position[], tell: (records: readonly LogRecord[]) => Promise<void>): Promise<void>;
  /** Gives up being in charge. */
  close(): Promise<void>;
}
