import { createInterface } from 'node:readline';
import { removeTree } from './files';
import { terminate, type ProcessRecord } from './process-identity';

/** What the supervisor tells its guardian: a child to end and a folder to remove should the supervisor die; `dismiss` once all is done. */
export type GuardianOrder =
  | { readonly guard: ProcessRecord; readonly signal: NodeJS.Signals; readonly boundMs: number }
  | { readonly forget: number }
  | { readonly remove: string }
  | { readonly dismiss: true };

const children = new Map<number, Extract<GuardianOrder, { guard: ProcessRecord }>>();
const folders = new Set<string>();

const obey = (order: GuardianOrder): void => {
  if ('guard' in order) {
    children.set(order.guard.pid, order);
  } else if ('forget' in order) {
    children.delete(order.forget);
  } else if ('remove' in order) {
    folders.add(order.remove);
  } else {
    children.clear();
    folders.clear();
  }
};

/** The input ends when the supervisor does, however it died. */
const clearUp = async (): Promise<void> => {
  await Promise.allSettled([...children.values()].map(({ guard, signal, boundMs }) => terminate(guard, signal, boundMs)));
  folders.forEach(removeTree);
};

const orders = createInterface({ input: process.stdin });
orders.on('line', (line) => obey(JSON.parse(line) as GuardianOrder));
orders.on('close', () => {
  void clearUp().finally(() => process.exit(0));
});
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => undefined); // it ends when the supervisor ends, not before
}
