import path from 'node:path';
import { readJson, writePrivately } from './files';
import { isRunning, type ProcessRecord } from './process-identity';
import type { ServiceAddresses } from './protocol';

/** `.refold/services.json`: where the supervisor of a folder is and what it runs. Holds secrets, so only its owner can read it. */
export interface AddressBook extends ServiceAddresses {
  readonly supervisor: ProcessRecord;
  /** Process that ends the services should the supervisor be killed. */
  readonly guardian: number;
  /** Port on 127.0.0.1 of the control connection. */
  readonly controlPort: number;
  readonly token: string;
}

export const addressBookFile = (folder: string): string => path.join(folder, 'services.json');

export const writeAddressBook = (folder: string, book: AddressBook): void => writePrivately(addressBookFile(folder), book);

/** The address book of a live supervisor; one whose process is gone counts as none. */
export const readAddressBook = (folder: string): AddressBook | undefined => {
  const book = readJson<AddressBook>(addressBookFile(folder));
  return book?.supervisor !== undefined && isRunning(book.supervisor) ? book : undefined;
};
