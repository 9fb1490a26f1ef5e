/** After the last test: everything that the setup started is gone when this resolves. */
export default async function globalTeardown(): Promise<void> {
  await globalThis.releaseTestServices?.();
}
