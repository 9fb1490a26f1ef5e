import type { Config } from 'jest';

const swc = {
  '^.+\\.ts$': [
    '@swc/jest',
    {
      jsc: { target: 'es2023', parser: { syntax: 'typescript', decorators: true }, transform: { legacyDecorator: true, decoratorMetadata: true } },
      module: { type: 'commonjs' },
    },
  ],
} satisfies Config['transform'];

const config: Config = {
  testEnvironment: 'node',
  transform: swc,
  setupFiles: ['reflect-metadata'],
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  testTimeout: 60_000,
  maxWorkers: 2,
};

export default config;
