import type { StoreKind } from '../projections/generations';
import type { StoreSwitch } from './ports';

/**
 * What readers see is decided by the views; their markers switch with them. Where the control schema says otherwise (a
 * store that switched just before a crash), it is corrected. Answers the projections that were.
 */
export const reconcile = async (switches: ReadonlyMap<StoreKind, StoreSwitch>): Promise<readonly string[]> => {
  const corrected: string[] = [];
  for (const store of switches.values()) {
    corrected.push(...(await store.reconcile()));
  }
  return corrected;
};
