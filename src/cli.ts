#!/usr/bin/env node
import 'reflect-metadata';
import { EXIT } from './app/cli/failure';
import { runCli } from './app/cli/run-cli';

const ending = new AbortController();
const onSignal = (): void => {
  if (ending.signal.aborted) {
    process.exit(EXIT.interrupted);
  }
  ending.abort();
};
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);

// A reader like `head` may go away before everything is written.
const onBrokenPipe = (error: NodeJS.ErrnoException): void => {
  if (error.code !== 'EPIPE') {
    throw error;
  }
};
process.stdout.on('error', onBrokenPipe);
process.stderr.on('error', onBrokenPipe);

void runCli(process.argv.slice(2), {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
  env: process.env,
  cwd: process.cwd(),
  isTty: process.stderr.isTTY,
  columns: process.stderr.columns,
  signal: ending.signal,
}).then((code) => {
  process.exitCode = code;
});
