import type { ClickHouse } from '../../src/platform/clickhouse/client';
import type { CheckpointControl } from '../../src/projections/checkpoint-control';

/** Thrown where the process is to die: everything after it does not happen. */
export class Death extends Error {}

/** Where a worker dies, or what it does too late. */
export type Fault =
  | 'before the intent'
  | 'after the intent'
  | 'between its inserts'
  | 'after the insert'
  | 'after the checkpoint'
  | 'insert lands after the next owner has claimed'
  | 'second insert lands after the next owner has claimed';

/** The parts of a store whose process dies at the n-th batch. */
export const faulty = (
  fault: Fault,
  batch: number,
  control: CheckpointControl,
  clickhouse: ClickHouse,
): { readonly control: CheckpointControl; readonly clickhouse: ClickHouse; readonly land: () => Promise<void> } => {
  let batches = 0;
  let inserts = 0;
  let late: () => Promise<void> = () => Promise.resolve();
  const dying = (at: Fault): boolean => fault === at && batches === batch;
  const wrap = <T extends object>(part: T, methods: Partial<Record<keyof T, unknown>>): T =>
    new Proxy(part, {
      get: (target, name) => {
        const own = methods[name as keyof T];
        const value: unknown = own ?? Reflect.get(target, name, target);
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
    });
  return {
    control: wrap(control, {
      intend: async (...args: Parameters<CheckpointControl['intend']>) => {
        batches += 1;
        inserts = 0;
        if (dying('before the intent')) {
          throw new Death();
        }
        const result = await control.intend(...args);
        if (dying('after the intent')) {
          throw new Death();
        }
        return result;
      },
      finish: async (...args: Parameters<CheckpointControl['finish']>) => {
        if (dying('after the insert')) {
          throw new Death();
        }
        const result = await control.finish(...args);
        if (dying('after the checkpoint')) {
          throw new Death();
        }
        return result;
      },
    }),
    clickhouse: wrap(clickhouse, {
      insert: async (...args: Parameters<ClickHouse['insert']>) => {
        inserts += 1;
        if (dying(inserts === 1 ? 'insert lands after the next owner has claimed' : 'second insert lands after the next owner has claimed')) {
          late = () => clickhouse.insert(...args);
          throw new Death();
        }
        if (inserts === 2 && dying('between its inserts')) {
          throw new Death();
        }
        await clickhouse.insert(...args);
      },
    }),
    land: () => late(),
  };
};
