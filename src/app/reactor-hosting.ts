import type { Pauses } from '../projections/pauses';
import type { ReactorDefinition } from '../reactors/definition';
import type { ReactorEffects } from '../reactors/effects';
import type { ReactorPositions } from '../reactors/positions';
import type { ReactorEvent } from '../reactors/observation';

/** What a worker needs to host reactors. */
export interface ReactorHosting {
  readonly app: string;
  readonly definitions: readonly ReactorDefinition[];
  readonly positions: ReactorPositions;
  readonly effects: ReactorEffects;
  readonly pauses: Pick<Pauses, 'list'>;
  readonly observe?: ((reactor: string, event: ReactorEvent) => void) | undefined;
}
