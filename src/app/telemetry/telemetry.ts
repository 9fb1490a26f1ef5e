import type { RelayEvent } from '../../commands/relay';
import type { RunnerEvent } from '../../projections/engine/runner-parts';
import type { Generation, StoreKind } from '../../projections/generations';
import type { PausedKind } from '../../projections/pauses';
import type { AroundHandling, ReactorEvent } from '../../reactors/observation';
import type { Followed } from '../following';

/** A worker as it stands, told again and again while it runs and once when it has ended. */
export interface WorkerStatus {
  readonly alive: boolean;
  readonly ready: boolean;
  /** `lagRecords` of what is not hosted any more is 0: others answer for it. */
  readonly following: readonly { readonly followed: Followed; readonly partitions: number; readonly lagRecords: number | undefined }[];
  readonly pauses: readonly { readonly kind: PausedKind; readonly name: string; readonly paused: boolean }[];
}

/** What watches an application at work. Nothing of it may throw: figures must not stop what they count. */
export interface Telemetry {
  readonly runner: (generation: Generation, event: RunnerEvent) => void;
  readonly reactor: (reactor: string, event: ReactorEvent) => void;
  readonly relay: (event: RelayEvent) => void;
  /** A runner ended with an error; `again`: it will be started again. */
  readonly failed: (followed: Followed, again: boolean) => void;
  /** Parked events of a generation were folded after all. */
  readonly redriven: (generation: Generation, events: number) => void;
  /** Readers of a store were moved; new ones had to wait for so long, in milliseconds. */
  readonly switched: (store: StoreKind, lockMs: number) => void;
  readonly worker: (status: WorkerStatus) => void;
  readonly around: AroundHandling;
}

const around: AroundHandling = (_, handle) => handle();
const nothing = (): void => undefined;

export const silentTelemetry: Telemetry = {
  runner: nothing,
  reactor: nothing,
  relay: nothing,
  failed: nothing,
  redriven: nothing,
  switched: nothing,
  worker: nothing,
  around,
};

/** Tells all of them; of those that go around handlers the first is outermost. */
export const telemetryOf = (...given: readonly Partial<Telemetry>[]): Telemetry => {
  const all = given.map((one): Telemetry => ({ ...silentTelemetry, ...one }));
  return {
    runner: (generation, event) => all.forEach((one) => one.runner(generation, event)),
    reactor: (reactor, event) => all.forEach((one) => one.reactor(reactor, event)),
    relay: (event) => all.forEach((one) => one.relay(event)),
    failed: (followed, again) => all.forEach((one) => one.failed(followed, again)),
    redriven: (generation, events) => all.forEach((one) => one.redriven(generation, events)),
    switched: (store, lockMs) => all.forEach((one) => one.switched(store, lockMs)),
    worker: (status) => all.forEach((one) => one.worker(status)),
    around: (handling, handle) => all.reduceRight((inner, one) => () => one.around(handling, inner), handle)(),
  };
};
