import type { Checkpoint } from '../projections/generations';
import type { Pause } from '../projections/pauses';
import { summed, type LagSums, type PartitionLag } from './lag';

/** A reactor as it stands: what it handled counts as applied. */
export interface ReactorStanding {
  readonly name: string;
  readonly topics: readonly string[];
  readonly checkpoints: readonly Checkpoint[];
  /** Records that are parked. */
  readonly parked: number;
  readonly paused: Pause | undefined;
}

/** All partitions of one reactor. */
export interface ReactorLag extends LagSums {
  readonly name: string;
  readonly parked: number;
  /** Live workers that host it. */
  readonly workers: number;
  readonly partitions: readonly PartitionLag[];
}

/** Pure: sums and worst of the partitions of one reactor. */
export const reactorLag = ({ name, parked }: ReactorStanding, workers: number, partitions: readonly PartitionLag[]): ReactorLag => ({
  name,
  parked,
  workers,
  ...summed(partitions),
  partitions,
});
