import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that can be told from a later one with the same number. */
export interface ProcessRecord {
  readonly pid: number;
  readonly identity: string;
}

/** Start time of a process from the text of `/proc/<pid>/stat`; undefined for a zombie, which is dead for every purpose here. */
export const startOfStat = (stat: string): string | undefined => {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
};

const answersSignals = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

const linuxIdentity = (pid: number): string | undefined => {
  try {
    const start = startOfStat(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
    return start === undefined ? undefined : `${fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${start}`;
  } catch {
    return undefined;
  }
};

const bsdIdentity = (pid: number): string | undefined => {
  try {
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined;
  } catch {
    return undefined;
  }
};

/** What tells a running process from an earlier or later one of the same number; undefined if there is none. */
export const identityOf = (pid: number): string | undefined => {
  if (!Number.isInteger(pid) || pid <= 0 || !answersSignals(pid)) {
    return undefined;
  }
  if (process.platform === 'linux') {
    return linuxIdentity(pid);
  }
  return process.platform === 'win32' ? 'running' : bsdIdentity(pid);
};

export const recordOf = (pid: number): ProcessRecord => ({ pid, identity: identityOf(pid) ?? 'gone' });

export const isRunning = (record: ProcessRecord): boolean => identityOf(record.pid) === record.identity;

const signal = (record: ProcessRecord, name: NodeJS.Signals): void => {
  if (isRunning(record)) {
    try {
      process.kill(record.pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') {
        throw error;
      }
    }
  }
};

const goneWithin = async (record: ProcessRecord, ms: number): Promise<boolean> => {
  for (const deadline = Date.now() + ms; isRunning(record); await sleep(10)) {
    if (Date.now() > deadline) {
      return false;
    }
  }
  return true;
};

/** Asks a process to end by `name`, and kills it if it has not ended after `boundMs` milliseconds. Resolves when it is gone. */
export const terminate = async (record: ProcessRecord, name: NodeJS.Signals, boundMs: number): Promise<void> => {
  signal(record, name);
  if (!(await goneWithin(record, boundMs))) {
    signal(record, 'SIGKILL');
    await goneWithin(record, 5_000);
  }
};
