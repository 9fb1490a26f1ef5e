// Imports the orders by hand: node examples/orders/run.cjs import-history.ts [FILE]
// Where to is said as for the refold command: REFOLD_POSTGRES_URL, REFOLD_KAFKA_BROKERS, else embedded in .refold of the working directory.
import path from 'node:path';
import { connect, isRefoldError } from 'refold';
import { thousands } from './demo/screen';
import { ORDERS_FILE, importOrders, readOrders } from './import';
import { app } from './refold.config';

const main = async (file: string): Promise<void> => {
  const orders = readOrders(file); // all of it before anything is imported
  const connected = await connect(app);
  try {
    await connected.migrate();
    const { repeated } = await importOrders(connected, orders, (taken) => {
      process.stdout.write(`${thousands(taken)} of ${thousands(orders.length)} orders imported\n`);
    });
    process.stdout.write(repeated === 0 ? '' : `${thousands(repeated)} of them had been imported before\n`);
    process.stdout.write('A worker (refold run) takes them to the topic and folds them.\n');
  } finally {
    await connected.close();
  }
};

const given = process.argv[2];
void main(given === undefined ? ORDERS_FILE : path.resolve(given)).catch((error: unknown) => {
  const text = isRefoldError(error)
    ? `[${error.code}] ${error.message}\n  ${error.remedy}`
    : error instanceof Error
      ? (error.stack ?? error.message)
      : String(error);
  process.stderr.write(`${text}\n`);
  process.exitCode = 1;
});
