import type { Socket } from 'node:net';
import { RefoldError, type ErrorCode, type ErrorFacts } from '../../kernel/errors';

/** The first line a client sends on its control connection; the connection itself says that the client lives. */
export interface ServiceRequest {
  readonly token: string;
  readonly postgres: boolean;
  readonly kafka: boolean;
  readonly clickhouse: boolean;
  readonly fresh: boolean;
  readonly ephemeral: boolean;
  readonly durable: boolean;
}

export interface ServiceAddresses {
  readonly postgresUrl?: string;
  readonly kafkaBrokers?: readonly string[];
  readonly clickhouseUrl?: string;
}

export type ServiceReply = { readonly ok: true; readonly addresses: ServiceAddresses } | { readonly ok: false; readonly error: WireError };

export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly remedy: string;
}

/** Sent by a client that leaves in good order; answered by closing the connection, after the services stopped if it was the last. */
export const LEAVE = { leave: true } as const;

export const toWire = (error: RefoldError): WireError => ({ code: error.code, message: error.message, remedy: error.remedy });

export const fromWire = (error: WireError, facts: ErrorFacts): RefoldError => new RefoldError(error.code, error.message, { facts, remedy: error.remedy });

export const send = (socket: Socket, message: object): void => {
  socket.write(`${JSON.stringify(message)}\n`);
};

/** Complete lines out of what has arrived so far, and the rest. */
export const takeLines = (buffered: string): { readonly lines: readonly string[]; readonly rest: string } => {
  const parts = buffered.split('\n');
  const rest = parts.pop() ?? '';
  return { lines: parts.filter((line) => line !== ''), rest };
};

/** Calls `onMessage` for each line of JSON; a peer that sends something else is cut off. */
export const onMessages = (socket: Socket, onMessage: (message: unknown) => void): void => {
  let buffered = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    const { lines, rest } = takeLines(buffered + chunk);
    buffered = rest;
    try {
      lines.map((line) => JSON.parse(line) as unknown).forEach(onMessage);
    } catch {
      socket.destroy();
    }
    if (buffered.length > 65_536) {
      socket.destroy();
    }
  });
};
