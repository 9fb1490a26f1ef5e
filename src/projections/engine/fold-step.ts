import type { BatchCommit, StampedRow } from '../read-model-store';
import type { DecodedRecord } from './decoded';

/** What became of one record; a record counts once, whatever the number of its events. */
export type Fate = 'applied' | 'filtered' | 'late';

/** Where a record lies, and the stream time of its partition including the record itself. */
export interface RecordPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly streamTime: number;
}

/** What folding a batch writes, apart from the advances. */
export type FoldWrites = Pick<BatchCommit, 'upserts' | 'deletes' | 'merges' | 'shown' | 'late'>;

/** One way of folding. `record` changes nothing if it throws: a record is folded whole or not at all. */
export interface Fold {
  record(record: DecodedRecord, place: RecordPlace): Fate;
  /** What is folded takes so much memory, roughly. */
  readonly bytes: number;
  /** Whether the row of this key has to be loaded before an event of it is folded. */
  needs(key: string): boolean;
  /** Takes in what was loaded of these keys. */
  learn(keys: readonly string[], rows: ReadonlyMap<string, StampedRow>): void;
  /** Names of what else has to be loaded, which only what was learnt could say. */
  links(): readonly string[];
  writes(): FoldWrites;
}
