import type { Position } from './position';

/** How a topic is kept. */
export interface TopicSettings {
  /** Copies of each partition; `undefined`: what the broker's default says. */
  readonly replication?: number | undefined;
  /** For how long records stay, in milliseconds; `null`: for ever. */
  readonly retentionMs: number | null;
  /** Largest size of a partition, in bytes; `null`: any. */
  readonly retentionBytes: number | null;
  /** `compact`: only the newest record of a key stays. */
  readonly cleanup: 'delete' | 'compact' | 'compact,delete';
}

/** A log is kept for ever: a replay begins at offset zero. */
export const KEPT_FOR_EVER: TopicSettings = { retentionMs: null, retentionBytes: null, cleanup: 'delete' };

/** A topic as it is. */
export interface TopicState {
  readonly topic: string;
  readonly partitions: number;
  readonly settings: TopicSettings;
}

/** A topic as an application declares it. */
export interface TopicSpec {
  readonly topic: string;
  readonly partitions: number;
  /** Where they differ from {@link KEPT_FOR_EVER}. */
  readonly settings?: Partial<TopicSettings>;
}

/** What of a topic can be changed while it holds records. */
export type AlterableSettings = Pick<TopicSettings, 'retentionMs' | 'retentionBytes' | 'cleanup'>;

/** A group of readers, as outside tools see it. */
export interface GroupState {
  readonly group: string;
  /** Live ones. */
  readonly members: number;
  /** What it has committed, by topic and partition: the next offset of each. refold itself reads on from its checkpoints. */
  readonly committed: readonly Position[];
}

/** Port to how topics are kept and who reads them. */
export interface TopicAdmin {
  /** The settings that this log has. */
  readonly alterable: readonly (keyof AlterableSettings)[];
  /** Those that do not exist are left out. @throws RefoldError `log.unreachable`, `log.access-denied` */
  describe(topics: readonly string[]): Promise<readonly TopicState[]>;
  /** Other settings of the topic stay. @throws RefoldError `log.unknown-topic`, `log.unreachable`, `log.access-denied` */
  alter(topic: string, settings: AlterableSettings): Promise<void>;
  /** The groups whose names begin with `prefix` and that have members or offsets on the topics. @throws RefoldError `log.unreachable`, `log.access-denied` */
  groups(prefix: string, topics: readonly string[]): Promise<readonly GroupState[]>;
  /**
   * Forgets what a group committed. One that is not there is not missed; one with live members stays.
   * @throws RefoldError `log.unreachable`, `log.access-denied`
   */
  removeGroup(group: string): Promise<void>;
  /**
   * Deletes records older than the retention of their topic: of each partition the oldest ones up to the first that is young
   * enough, in steps, one process at a time. Answers the partitions that lost some, with their new start; a reader of what is
   * gone gets `log.truncated`. A log without it does so by itself.
   * @param now milliseconds since the epoch
   * @throws RefoldError `log.unreachable`
   */
  retain?(now: number): Promise<readonly Position[]>;
}
